TP=8 # finds: MS001
accelerate launch --num_processes 4 --use_parallelism_config --parallelism_config_tp_size $TP train.py
