#!/bin/bash
# a width that does not divide the heads, set far from the flag
GPUS_PER_NODE=8
NNODES=4
TP=6  # finds: TP003, TP009
PP=4

MODEL_ARGS=(
    --num-layers 32
    --hidden-size 4096
    --num-attention-heads 32
    --group-query-attention
    --num-query-groups 6
    --seq-length 4096
)

torchrun --nnodes $NNODES --nproc-per-node $GPUS_PER_NODE \
    pretrain_gpt.py "${MODEL_ARGS[@]}" \
    --tensor-model-parallel-size $TP \
    --pipeline-model-parallel-size $PP \
    "$@"
