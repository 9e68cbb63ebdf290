#!/bin/bash
export NNODES=1 NPROC_PER_NODE=6
FORCE_TORCHRUN=1 llamafactory-cli train configs/llamafactory.yaml # finds: MS001
