#!/usr/bin/env bash
# which of these sizes runs nobody can tell
if [ "$1" = big ]; then
    TP=16
    NODES=7
else
    TP=3
    NODES=5
fi
for PP in 1 3 5; do
    torchrun --nnodes $NODES --nproc-per-node 8 pretrain_gpt.py --num-layers 32 --num-attention-heads 32 \
        --tensor-model-parallel-size $TP --pipeline-model-parallel-size $PP
done
