vllm serve org/moe -tp 8 --enable-expert-parallel -dp 2
