#!/bin/bash
source cluster.env
torchrun --nproc-per-node="$GPUS" finetune.py --config recipe.yaml
