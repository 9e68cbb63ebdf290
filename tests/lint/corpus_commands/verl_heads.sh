set -x
GEN_TP=6 # finds: TP002, TP003, TP022
python3 -m verl.trainer.main_ppo --config-name='ppo_trainer.yaml' \
    data.train_files="['$HOME/data/train.parquet']" \
    actor_rollout_ref.model.path=org/llama-8b \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.tensor_model_parallel_size=$GEN_TP \
    trainer.n_gpus_per_node=8 \
    trainer.nnodes=${NNODES:-1} $@
