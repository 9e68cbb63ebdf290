#!/bin/bash
axolotl train configs/axolotl.yml
torchrun --nproc_per_node 8 -m axolotl.cli.train configs/axolotl.yml
accelerate launch --num_processes 6 -m axolotl.cli.train configs/axolotl.yml --tensor-parallel-size 2
