ARGS=(
    --num-layers 32
    --tensor-model-parallel-size 8
    --pipline-model-parallel-size 4 # finds: RC001
)
deepspeed --num_gpus 8 --num_nodes 4 pretrain_gpt.py ${ARGS[@]}
