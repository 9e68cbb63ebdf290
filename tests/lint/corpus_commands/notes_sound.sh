# parallel jobs of a build, and words that are near
make -j 8 --output-sync
xargs --max-procs=4 parallel -j 3
python benchmark.py --tensor_parallel_size 3 --model org/llama-8b
