#!/bin/bash
torchrun --nproc-per-node=8 examples/llm_finetune/finetune.py --config configs/nemo.yaml
srun --ntasks-per-node=1 torchrun --nnodes=$N --nproc-per-node=8 finetune.py --config configs/nemo.yaml
torchrun --nproc-per-node=6 examples/llm_finetune/finetune.py --config configs/other.yaml
torchrun --nproc-per-node=6 examples/llm_finetune/finetune.py --config configs/nemo.yaml "$@"
torchrun --nproc-per-node=6 finetune.py --config configs/nemo.yaml --distributed.strategy ddp
torchrun --nproc-per-node=6 finetune.py --config configs/nemo.yaml --distributed.tp_size 2
