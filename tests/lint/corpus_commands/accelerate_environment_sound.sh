export PARALLELISM_CONFIG_TP_SIZE=2
export PARALLELISM_CONFIG_DP_SHARD_SIZE=4
accelerate launch --num_processes 8 train.py --learning_rate 1e-5
