#!/bin/bash
NNODES=1 NPROC_PER_NODE=8 llamafactory-cli train configs/llamafactory.yaml
NNODES=1 NPROC_PER_NODE=6 llamafactory-cli train configs/llamafactory.yaml tensor_model_parallel_size=2
NNODES=1 NPROC_PER_NODE=6 llamafactory-cli train configs/llamafactory.yaml finetuning_type=lora
