"""How many ranks a command starts, where that is certain, and the programs whose flags are meshes."""

from __future__ import annotations

from typing import Any

import pytest

from meshfit.lint.recipe import Recipe
from meshfit.lint.shell import read_shell
from meshfit.readers.unknown import UNKNOWN

TRAIN = "pretrain_gpt.py --tensor-model-parallel-size 2"


def only(script: str) -> Recipe:
    """The one mesh of a script."""
    (recipe,) = read_shell(script, "run.sh")
    return recipe


def known(recipe: Recipe) -> dict[str, Any]:
    """Its known sizes by axis."""
    return {axis: written.value for axis, written in recipe.sizes.items() if written.value is not UNKNOWN}


@pytest.mark.parametrize(
    ("script", "world"),
    [
        (f"torchrun --nproc-per-node 8 {TRAIN}", 8),
        (f"torchrun --nproc_per_node=8 --nnodes=2 {TRAIN}", 16),
        (f"python -m torch.distributed.run --nnodes 2 --nproc-per-node 4 {TRAIN}", 8),
        (f"python3 -m torch.distributed.launch --nproc_per_node 4 {TRAIN}", 4),
        (f"N=2\nG=8\ntorchrun --nnodes $N --nproc-per-node ${{G}} {TRAIN}", 16),
        (f"A=(--nnodes 2 --nproc-per-node 8)\ntorchrun ${{A[@]}} {TRAIN}", 16),
        (f"#SBATCH --nodes=4\nsrun torchrun --nnodes $SLURM_NNODES --nproc-per-node 8 {TRAIN}", 32),
        (f"#SBATCH -N 4\nsrun torchrun --nnodes=4 --nproc-per-node 8 {TRAIN}", 32),
        (f"#SBATCH --nodes=4\n#SBATCH --ntasks-per-node=8\nsrun python {TRAIN}", 32),
        (f"#SBATCH -N4\n#SBATCH -n32\nsrun python {TRAIN}", 32),
        (f"#SBATCH --nodes=4 --ntasks-per-node=8 # all\n\n# more\n#SBATCH -t 1:00\nsrun python {TRAIN}", 32),
        (f"srun -N 2 --ntasks-per-node=4 python -u {TRAIN}", 8),
        (f"#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=8\nsrun bash -c 'python {TRAIN}'", 16),
        (f"mpirun -np 16 python {TRAIN}", 16),
        (f"deepspeed --num_gpus 8 --num_nodes 2 {TRAIN}", 16),
        (f"deepspeed --num_gpus=8 --num_nodes=1 {TRAIN}", 8),
        (f"accelerate launch --num_processes 8 {TRAIN}", 8),
    ],
)
def test_ranks_that_a_launcher_is_told_are_known(script: str, world: int) -> None:
    """In each one's own words."""
    found = only(script).world
    assert found is not None
    assert found.value == world


@pytest.mark.parametrize(
    "script",
    [
        f"python {TRAIN}",
        f"torchrun --nproc-per-node auto {TRAIN}",
        f"torchrun --nproc-per-node gpu {TRAIN}",
        f"torchrun --nnodes 1:4 --nproc-per-node 8 {TRAIN}",
        f"torchrun --nnodes $NNODES --nproc-per-node 8 {TRAIN}",
        f"torchrun --nnodes ${{NNODES:-1}} --nproc-per-node 8 {TRAIN}",
        f"G=${{1:-8}}\ntorchrun --nproc-per-node $G {TRAIN}",
        f"torchrun $DISTRIBUTED --nproc-per-node 8 {TRAIN}",
        f"export NNODES=2\ntorchrun --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=4\nsrun torchrun --nnodes 2 --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=4\nsrun torchrun --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=2-4\nsrun torchrun --nnodes 2 --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=2\n#SBATCH --nodes=4\nsrun torchrun --nnodes 4 --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=2 --gpus-per-node=4\nsrun torchrun --nnodes 2 --nproc-per-node 8 {TRAIN}",
        f"#SBATCH --nodes=2 --ntasks-per-node=1 --gpus-per-node=8\nsrun python {TRAIN}",
        f"#SBATCH --nodes=2 --ntasks-per-node=8 --ntasks=32\nsrun python {TRAIN}",
        f"#SBATCH --nodes=2 --ntasks-per-node=8\n#SBATCH hetjob\n#SBATCH --nodes=1\nsrun python {TRAIN}",
        f"ls\n#SBATCH --nodes=2 --ntasks-per-node=8\nsrun python {TRAIN}",
        f"deepspeed --hostfile hosts --num_gpus 8 {TRAIN}",
        f"deepspeed --num_gpus 8 {TRAIN}",
        f"deepspeed {TRAIN}",
    ],
)
def test_ranks_that_are_not_certain_are_unknown(script: str) -> None:
    """Ranges, defaults, contradictions, and numbers that another file has."""
    assert only(script).world is None


@pytest.mark.parametrize(
    ("directive", "devices"),
    [
        ("--gres=gpu:4", 4),
        ("--gres=gpu:a100:4", 4),
        ("--gpus-per-node=h100:8", 8),
        ("--gpus-per-node 8", 8),
        ("-N 2 --gpus=16", 8),
        ("--gres=gpu", None),
        ("--gres=gpu:2,nvme:1", None),
        ("--gpus=16", None),
    ],
)
def test_devices_of_a_node_are_read_from_what_slurm_is_asked(directive: str, devices: int | None) -> None:
    """With or without their kind."""
    found = only(f"#SBATCH {directive}\nvllm serve m -tp 2").gpus_per_node
    assert (None if found is None else found.value) == devices


@pytest.mark.parametrize(
    ("command", "tool", "engine", "sizes"),
    [
        ("vllm serve m -tp 2 -pp 2 -dp 4", "vllm", "vllm", {"tp": 2, "pp": 2, "dp": 4}),
        (
            "torchrun train.py --pipeline-model-parallel-size 2 --context-parallel-size=4",
            "megatron",
            "megatron",
            {"pp": 2, "cp": 4},
        ),
        (
            "NPROC_PER_NODE=8 megatron sft --model m --tensor_model_parallel_size 2 --expert_model_parallel_size 4",
            "ms-swift",
            "megatron",
            {"tp": 2, "ep": 4},
        ),
        ("swift infer --model m --vllm_tensor_parallel_size 2", "ms-swift", "vllm", {"tp": 2}),
        (
            "torchrun -m titan --parallelism.tensor_parallel_degree 8 --parallelism.expert_parallel_degree 2",
            "torchtitan",
            "torchtitan",
            {"tp": 8, "ep": 2},
        ),
        ("automodel finetune llm -c x.yaml --distributed.tp_size=2", "nemo", "nemo", {"tp": 2}),
        ("accelerate launch --parallelism_config_tp_size 2 train.py", "accelerate", "accelerate", {"tp": 2}),
        ("PARALLELISM_CONFIG_TP_SIZE=2 accelerate launch train.py", "accelerate", "accelerate", {"tp": 2}),
        ("accelerate launch --megatron_lm_tp_degree 2 train.py", "accelerate", "megatron", {"tp": 2}),
        ("axolotl train x.yaml --tensor-parallel-size 2", "axolotl", "accelerate", {"tp": 2}),
        (
            "llamafactory-cli train x.yaml tensor_model_parallel_size=2",
            "llamafactory",
            "megatron",
            {"tp": 2},
        ),
        (
            "python3 -m verl.trainer.main_ppo actor_rollout_ref.actor.megatron.tensor_model_parallel_size=2",
            "verl",
            "megatron",
            {"tp": 2},
        ),
    ],
)
def test_each_program_is_told_by_its_name_or_flags(command: str, tool: str, engine: str, sizes: dict[str, int]) -> None:
    """With who runs its mesh."""
    recipe = only(command)
    assert (recipe.tool, recipe.engine, known(recipe)) == (tool, engine, sizes)


def test_what_megatron_is_told_of_the_model_are_facts() -> None:
    """Without query groups every head has keys of its own."""
    recipe = only(f"torchrun {TRAIN} --num-layers 24 --num-attention-heads 16 --seq-length 4096 --num-experts 8")
    facts = {name: written.value for name, written in recipe.facts.items()}
    assert facts == {"num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 8}
    assert recipe.seq_len is not None
    assert recipe.seq_len.value == 4096


@pytest.mark.parametrize(
    "more", ["--group-query-attention", "--multi-latent-attention", "--yaml-cfg x", "$EXTRA_ARGS", '"$@"']
)
def test_key_value_heads_are_unknown_where_something_else_tells_them(more: str) -> None:
    """Another flag, another file, or flags that are not seen."""
    assert "num_key_value_heads" not in only(f"torchrun {TRAIN} --num-attention-heads 16 {more}").facts


@pytest.mark.parametrize("more", ["--yaml-cfg x", "$EXTRA_ARGS", '"$@"', "${MORE_OPTS[@]}"])
def test_sizes_that_other_flags_may_give_are_open(more: str) -> None:
    """Those that are given stay."""
    assert known(only(f"torchrun {TRAIN} {more}")) == {"tp": 2}
    assert only(f"torchrun {TRAIN} {more}").sizes["pp"].value is UNKNOWN


def test_a_layout_of_stages_that_no_rule_knows_is_not_judged() -> None:
    """Stages of a hybrid pattern are uneven on purpose."""
    assert only(f"torchrun {TRAIN} --hybrid-override-pattern M*M-").own == {"pp"}


@pytest.mark.parametrize(
    ("command", "written", "right"),
    [
        ("vllm serve m --tensor-paralell-size 8", "--tensor-paralell-size", "--tensor-parallel-size"),
        ("vllm serve m --tensor_paralel_size 8", "--tensor_paralel_size", "--tensor_parallel_size"),
        (
            "torchrun pretrain_gpt.py --tensor-model-paralel-size 8",
            "--tensor-model-paralel-size",
            "--tensor-model-parallel-size",
        ),
        ("torchrun pretrain_gpt.py --tensor-parallel-size 8", "--tensor-parallel-size", "--tensor-model-parallel-size"),
        (
            "torchrun x.py --parallelism.tensor_paralel_degree 8",
            "--parallelism.tensor_paralel_degree",
            "--parallelism.tensor_parallel_degree",
        ),
    ],
)
def test_a_flag_that_was_meant_to_be_a_size_is_told(command: str, written: str, right: str) -> None:
    """With the right one, in its own spelling."""
    (problem,) = only(command).problems
    assert (problem.code, problem.help) == ("RC001", f"write {right!r}")
    assert written in problem.message
    assert command[problem.spot.column - 1 : problem.spot.end_column - 1] == written


@pytest.mark.parametrize(
    "command",
    [
        "vllm serve m -tp 2 --data-parallel-size-local 1 --decode-context-parallel-size 2",
        "vllm serve m --tensor-parallel 2 -tp 2",
        f"torchrun {TRAIN} --expert-tensor-parallel-size 1 --tensor-model-parallel-size 2",
        f"torchrun {TRAIN} --target-tensor-parallel-size 4 --num-layers-per-virtual-pipeline-stage 2",
        "torchrun convert.py --tensor-model-parallel-size 2 --tensor-parallel-size 4",
    ],
)
def test_other_flags_are_no_mistakes(command: str) -> None:
    """Neighbours of sizes, beginnings of flags, and what a script of somebody's own may have."""
    assert only(command).problems == ()


def test_a_size_that_is_given_twice_is_told_once() -> None:
    """At the one that does not count."""
    (problem,) = only("vllm serve m \\\n -tp 2 \\\n -tp 4").problems
    assert (problem.code, problem.spot[:2]) == ("RC003", (2, 2))


def test_a_default_of_the_script_is_no_number_of_nodes() -> None:
    """Whoever starts the job sets that one; the sizes beside it stand."""
    recipe = only(
        "NODES=${NODES:-1}\nTP=${TP:-4}\npython -m verl.trainer.main_ppo trainer.nnodes=$NODES "
        "trainer.n_gpus_per_node=8 actor_rollout_ref.actor.megatron.tensor_model_parallel_size=$TP"
    )
    assert recipe.nodes is not None
    assert recipe.nodes.value is UNKNOWN
    assert known(recipe) == {"tp": 4}
