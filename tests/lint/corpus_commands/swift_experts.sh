export NPROC_PER_NODE=8
EP=3 # finds: EP003, EP004
megatron sft --model org/moe --tensor_model_parallel_size 2 --expert_model_parallel_size $EP --sequence_parallel true
