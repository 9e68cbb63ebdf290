CP=4
SEQ=4100
CP_ARGS=(
    --context-parallel-size 4 # finds: CP005
    --seq-length $SEQ
)
mpirun -np 16 python pretrain_gpt.py --num-layers 16 --num-attention-heads 32 "${CP_ARGS[@]}"
