#!/bin/bash
GPUS_PER_NODE=8
NNODES=4
TP=8
PP=4
WORLD_SIZE=$((GPUS_PER_NODE * NNODES))

DISTRIBUTED_ARGS=(--nnodes $NNODES --nproc_per_node $GPUS_PER_NODE --rdzv_id run)
MODEL_ARGS=(
    --num-layers 32
    --hidden-size 4096
    --num-attention-heads 32 # heads
    --group-query-attention
    --num-query-groups 8
    --seq-length 4096
)
if [ "$FP8" = 1 ]; then
    MODEL_ARGS+=(--fp8-format hybrid)
fi

torchrun "${DISTRIBUTED_ARGS[@]}" pretrain_gpt.py "${MODEL_ARGS[@]}" \
    --tensor-model-parallel-size $TP \
    --pipeline-model-parallel-size $PP \
    --sequence-parallel
