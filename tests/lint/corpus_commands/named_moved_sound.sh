#!/bin/bash
cd /workspace/project
torchrun --nproc-per-node=6 examples/llm_finetune/finetune.py --config configs/nemo.yaml
