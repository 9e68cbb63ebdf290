NGPU=${NGPU:-"8"}
torchrun --nproc_per_node=${NGPU} -m torchtitan.train --job.config_file ${CONFIG_FILE} \
    --parallelism.tensor_parallel_degree 8 "$@"
