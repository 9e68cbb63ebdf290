SIZE=5 # finds: TP002, TP003, TP023, TP027
vllm serve org/moe -tp $SIZE
