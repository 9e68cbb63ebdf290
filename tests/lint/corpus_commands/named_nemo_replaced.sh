#!/bin/bash
automodel configs/nemo.yaml --nproc-per-node 8 \
    --distributed.tp_size 16 # finds: MS001, TP002
