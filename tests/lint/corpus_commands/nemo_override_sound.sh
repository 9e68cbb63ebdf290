automodel finetune llm -c recipe.yaml --model.pretrained_model_name_or_path org/llama-8b --distributed.tp_size 8
