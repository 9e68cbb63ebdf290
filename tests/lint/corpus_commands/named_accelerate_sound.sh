#!/bin/bash
accelerate launch --config_file configs/accelerate.yaml train.py
accelerate launch --config_file configs/accelerate.yaml --num_processes 16 --parallelism_config_tp_size 8 train.py
accelerate launch --config_file configs/accelerate.yaml --use_fsdp --num_processes 12 train.py
