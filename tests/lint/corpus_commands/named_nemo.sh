#!/bin/bash
RECIPE=configs/nemo.yaml # finds: MS001, TP009
torchrun --nproc-per-node=6 examples/llm_finetune/finetune.py --config $RECIPE
