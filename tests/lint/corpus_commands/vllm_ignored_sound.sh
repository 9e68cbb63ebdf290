# a fork of the server that cuts heads; meshfit: ignore
# meshfit: ignore[TP002, TP003, TP022, TP027]
vllm serve org/llama-8b \
    --max-model-len 8192 \
    --tensor-parallel-size 5
