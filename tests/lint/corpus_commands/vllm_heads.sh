#!/bin/bash
MODEL=org/llama-8b
TP=24 # finds: TP003, TP022
vllm serve $MODEL \
    --max-model-len 8192 \
    --tensor-parallel-size ${TP}
