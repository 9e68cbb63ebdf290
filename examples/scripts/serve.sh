#!/bin/bash
TP=${TP:-12}
vllm serve meta-llama/Llama-3.1-8B --max-model-len 8192 --tensor-paralell-size 2 &
vllm serve meta-llama/Llama-3.1-8B --max-model-len 8192 -tp $TP
