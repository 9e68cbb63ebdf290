OVERRIDES=(
    --parallelism.tensor_parallel_size 8 # finds: RC001
)
torchrun --nproc_per_node=8 -m torchtitan.train ${OVERRIDES[@]}
