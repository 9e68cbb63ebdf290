TP=${TP:-8}
python -m vllm.entrypoints.openai.api_server --model org/llama-8b --tensor-parallel-size=$TP
echo "vllm serve org/llama-8b -tp 3 would not start"
cat <<NOTE
vllm serve org/llama-8b -tp 3
NOTE
