#!/bin/bash
torchrun --nproc_per_node=4 -m torchtitan.train --job.config_file ./configs/titan.toml # finds: MS001
