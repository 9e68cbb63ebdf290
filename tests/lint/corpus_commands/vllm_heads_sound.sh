#!/bin/bash
MODEL=org/llama-8b
TP=16 # each of the 8 key/value heads is on two ranks
vllm serve $MODEL \
    --max-model-len 8192 \
    --tensor-parallel-size ${TP} > server.log 2>&1 &
sleep 10; curl localhost:8000/health
