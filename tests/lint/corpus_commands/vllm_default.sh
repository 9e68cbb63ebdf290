TP=${TP:-12} # finds: TP002, TP003, TP022
python -m vllm.entrypoints.openai.api_server --model org/llama-8b --tensor-parallel-size=$TP
