#!/bin/bash
TP=12
. ./configs/sizes.env
TP=$((TP - 4))
vllm serve org/llama-8b --tensor-parallel-size $TP
source configs/absent.env
vllm serve org/llama-8b --tensor-parallel-size $((TP + NODES))
