TP=12 # finds: TP002, TP003
torchrun --nproc-per-node=24 examples/llm_finetune/finetune.py -c recipe.yaml \
    --model.pretrained_model_name_or_path=org/llama-8b --distributed.tp_size=$TP
