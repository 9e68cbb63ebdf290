#!/bin/bash
accelerate launch --num_processes 6 -m axolotl.cli.train configs/axolotl.yml # finds: MS001
