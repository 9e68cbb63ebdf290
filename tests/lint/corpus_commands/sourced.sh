#!/bin/bash
source configs/sizes.env # finds: TP002, TP003, TP022
vllm serve org/llama-8b --tensor-parallel-size $TP
