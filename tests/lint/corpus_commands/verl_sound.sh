set -x
GEN_TP=${GEN_TP:-4}
python3 -m verl.trainer.main_ppo --config-name='ppo_trainer.yaml' \
    actor_rollout_ref.model.path=org/llama-8b \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.tensor_model_parallel_size=$GEN_TP \
    actor_rollout_ref.actor.megatron.tensor_model_parallel_size=8 \
    actor_rollout_ref.actor.megatron.pipeline_model_parallel_size=4 \
    trainer.n_gpus_per_node=8 \
    trainer.nnodes=${NNODES:-1} $@
