#!/bin/bash
accelerate launch --config_file configs/accelerate.yaml train.py
accelerate launch --config_file configs/accelerate.yaml --num_processes 16 --parallelism_config_tp_size 8 train.py
accelerate launch --config_file configs/accelerate.yaml --use_fsdp --num_processes 12 train.py
for N in 2 4; do
    accelerate launch --config_file configs/accelerate.yaml --num_processes $N --parallelism_config_tp_size 1 train.py
done
