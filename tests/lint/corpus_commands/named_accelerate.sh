#!/bin/bash
accelerate launch --num_processes 12 \
    --config_file configs/accelerate.yaml train.py # finds: MS001
