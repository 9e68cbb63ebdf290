"""What a shell script says of a mesh: variables, arrays and functions followed, everything else unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from meshfit.lint.documents import DocumentError
from meshfit.lint.recipe import Recipe
from meshfit.lint.shell import read_shell
from meshfit.readers.unknown import UNKNOWN


def recipes(script: str) -> list[Recipe]:
    """All meshes of a script."""
    return list(read_shell(script, "run.sh"))


def tensor(script: str) -> Any:
    """The one tensor size that the script's one server gets."""
    (recipe,) = recipes(script)
    return recipe.sizes["tp"].value


SERVE = "vllm serve m --tensor-parallel-size"


@pytest.mark.parametrize(
    "script",
    [
        f"{SERVE} 8",
        f"{SERVE}=8",
        "vllm serve m -tp 8",
        f"TP=8\n{SERVE} $TP",
        f'TP="8"\n{SERVE} "${{TP}}"',
        f"export TP=8; {SERVE} $TP",
        f"{SERVE} ${{TP:-8}}",
        f"TP=${{TP:-8}}\n{SERVE} $TP",
        f": ${{X:=1}}\nTP=$((2 * 4))\n{SERVE} $TP",
        f"A=2 B=4\n{SERVE} $((A*B))",
        f"A=16\n{SERVE} $(( $A / 2 ))",
        f"{SERVE} \\\n  8",
        f"{SERVE} \\\r\n  8",
        "ARGS=(\n  m # the model\n  -tp 8\n)\nvllm serve ${ARGS[@]}",
        'ARGS=(m)\nARGS+=(-tp 8)\nvllm serve "${ARGS[@]}"',
        'ARGS="m -tp 8"\nvllm serve $ARGS',
        'ARGS="m \\\n -tp 8"\nvllm serve $ARGS',
        'ARGS="m"\nARGS+=" -tp 8"\nvllm serve $ARGS',
        'CMD="vllm serve m -tp 8"\n$CMD',
        'CMD="vllm serve m -tp 8"\neval $CMD',
        "bash -c 'vllm serve m -tp 8'",
        'srun --ntasks=1 bash -lc "vllm serve m -tp 8"',
        "export TP=8\nsh -c 'vllm serve m -tp $TP'",
        "run() {\n vllm serve m -tp $1\n}\nrun 8",
        "function run { local TP=$1; vllm serve m -tp $TP; }\nrun 8",
        "TP=8\nrun() { vllm serve m -tp $TP; }",
        "TP=8\n(TP=2)\nvllm serve m -tp $TP",
        "if true; then TP=8; else TP=8; fi\nvllm serve m -tp $TP",
        "if true; then TP=8; vllm serve m -tp $TP; fi",
        "TP=8\nfor i in 1 2; do vllm serve m -tp $TP; done",
        "cat <<EOF > notes\nvllm serve m -tp 2\nEOF\nvllm serve m -tp 8",
        "cd x && CUDA_VISIBLE_DEVICES=0 nohup vllm serve m -tp 8 > log 2>&1 &",
        "TP=8\n[[ $TP == 8 && -f x ]] && echo $TP\nvllm serve m -tp $TP",
        "case $1 in\n a) TP=8 ;;\n *) TP=8 ;;\nesac\nvllm serve m -tp $TP",
        "TP=8 # one node\n# TP=4\nvllm serve m -tp $TP # -tp 2",
        "TP=8\nsource venv/bin/activate\nvllm serve m -tp $TP",
        "x=$(echo 'a)' \"b)\")\nvllm serve m -tp 8",
        "docker run --gpus all vllm/vllm-openai:latest --model m -tp 8",
        "python3 -m vllm.entrypoints.openai.api_server --model m --tensor_parallel_size 8",
    ],
)
def test_a_size_that_the_script_gives_is_known(script: str) -> None:
    """However it reaches the command."""
    assert tensor(script) == 8


@pytest.mark.parametrize(
    "script",
    [
        f"{SERVE} $TP",
        f"{SERVE} $1",
        f"{SERVE} $(nproc)",
        f"{SERVE} `nproc`",
        f"{SERVE} $#",
        f"read TP\n{SERVE} $TP",
        f"TP=8\nread -r TP < file\n{SERVE} $TP",
        f"TP=8\nsource sizes.sh\n{SERVE} $TP",
        f"source sizes.sh\n{SERVE} ${{TP:-8}}",
        f"TP=8\nif [ $x ]; then TP=4; fi\n{SERVE} $TP",
        f"TP=8\n[ $x ] && TP=4\n{SERVE} $TP",
        f"TP=8\n[ $x ] || TP=4\n{SERVE} $TP",
        f"TP=8\nwhile getopts t: o; do case $o in t) TP=$OPTARG;; esac; done\n{SERVE} $TP",
        f"for TP in 1 2 4; do {SERVE} $TP; done",
        f"TP=1\nfor i in 1 2; do {SERVE} $TP; TP=$((TP*2)); done",
        f"TP=1\nfor ((TP=1; TP<8; TP++)); do {SERVE} $TP; done",
        f"TP=8\n((TP/=2))\n{SERVE} $TP",
        f"TP=8\nlet TP=4\n{SERVE} $TP",
        f"TP=8\nset_tp() {{ TP=4; }}\nif [ $x ]; then set_tp; fi\n{SERVE} $TP",
        f"TP=8\nunknown=1\neval $(sizes)\n{SERVE} $TP",
        f"TP=8\nmapfile TP < x\n{SERVE} ${{TP[0]}}",
        f"TP=8\nprintf -v TP 4\n{SERVE} $TP",
        f"TP=8\nset -- 4\nshift\n{SERVE} ${{1:-8}}",
        f"TP=8\n{SERVE} ${{TP%8}}4",
        f"A=(1 2)\nA[0]=8\n{SERVE} ${{A[0]}}",
        f"case $1 in a) TP=8;; esac\n{SERVE} $TP",
    ],
)
def test_a_size_that_only_a_run_can_tell_is_unknown(script: str) -> None:
    """Nobody is told anything of it."""
    assert tensor(script) is UNKNOWN


@pytest.mark.parametrize(
    "script",
    [
        "echo vllm serve m -tp 3",
        "# vllm serve m -tp 3",
        "cat <<EOF\nvllm serve m -tp 3\nEOF",
        "cat <<-'END'\n\tvllm serve m -tp 3\n\tEND",
        "grep -- --tensor-parallel-size x",
        "pip install vllm parallel",
        "vllm bench serve --tensor-parallel-size",
        "x='vllm serve m -tp 3'",
        "vllm serve m --config parallel.yaml -tp 3",
        "python train.py --tensor_parallel_size 3",
    ],
)
def test_what_runs_nothing_has_no_mesh(script: str) -> None:
    """Text that only looks like a command."""
    assert recipes(script) == []


def test_a_value_is_placed_where_it_is_written() -> None:
    """Behind `=` in the assignment, not where the variable is used."""
    (recipe,) = recipes("#!/bin/bash\nTP=16\nvllm serve m \\\n  -tp ${TP} --data-parallel-size=2\n")
    assert recipe.sizes["tp"].spot == (2, 4, 2, 6)
    assert recipe.sizes["dp"].spot == (4, 34, 4, 35)


def test_both_ways_of_a_branch_are_read() -> None:
    """Each with its own sizes."""
    script = "if [ $x ]; then TP=2; vllm serve m -tp $TP; else TP=4; vllm serve m -tp $TP; fi"
    assert [recipe.sizes["tp"].value for recipe in recipes(script)] == [2, 4]


def test_what_every_branch_keeps_is_known() -> None:
    """Flags that a branch may add leave those before them as they are, and what is not named unknown."""
    (recipe,) = recipes('A=(m -tp 8)\nif [ $x ]; then A+=(--enforce-eager); fi\nvllm serve "${A[@]}"')
    assert recipe.sizes["tp"].value == 8
    assert recipe.sizes["pp"].value is UNKNOWN


def test_a_size_that_hidden_flags_may_replace_is_unknown() -> None:
    """The script has the flag a second time, in a branch."""
    (recipe,) = recipes('A=(m -tp 8)\nif [ $x ]; then A+=(-tp 4); fi\nvllm serve "${A[@]}"')
    assert recipe.sizes["tp"].value is UNKNOWN


def test_nothing_is_run_or_expanded_without_end() -> None:
    """Values that double, functions that call themselves, loops in loops."""
    doubling = "A=parallel\n" + 'A="$A$A"\n' * 100 + "vllm serve m -tp $A\n"
    calling = "f() { f; g; vllm serve m -tp 8; }\ng() { f; f; }\nf\n"
    looping = "while true; do " * 60 + "vllm serve m -tp 8; " + "done; " * 60
    assert tensor(doubling) is UNKNOWN
    assert recipes(calling)
    assert tensor(looping) == 8


def test_deep_nesting_is_a_clear_error() -> None:
    """No RecursionError."""
    for script in ("if x; then " * 5000, "( " * 5000, 'A="${A:-' * 5000, "f() { " * 5000):
        with pytest.raises(DocumentError, match="nested too deeply"):
            recipes(f"# parallel\n{script}")


PIECES = st.sampled_from(
    [
        *(
            "vllm",
            "serve",
            "-tp",
            "8",
            "$A",
            "${A",
            "}",
            "${A:-",
            '"',
            "'",
            "`",
            "$(",
            "$((",
            "))",
            ")",
            "(",
            "{",
            "\\",
        ),
        *("\n", " ", ";", "&&", "|", "if", "then", "fi", "for", "do", "done", "case", "in", "esac", "A=", "A=(", "+="),
        *("<<E", "\nE\n", "#", "[[", "]]", "((", "function", "f()", "bash -c", "eval", "\r\n", "é", "<(", ">", "2>&1"),
        *(
            "--tensor-parallel-size",
            "torchrun --nnodes=",
            "pretrain_gpt.py",
            "#SBATCH -N ",
            "${A[@]}",
            "local",
            "shift",
        ),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=60))
def test_any_text_is_read_to_its_end(pieces: list[str]) -> None:
    """Recipes or a clear error, and every place is in the file."""
    script = "#SBATCH --nodes=2\n# parallel\n" + " ".join(pieces)
    lines = script.split("\n")
    for recipe in recipes(script):
        for written in (*recipe.sizes.values(), *recipe.facts.values()):
            line, column, end_line, end_column = written.spot
            assert 1 <= line <= end_line <= len(lines)
            assert 1 <= column <= len(lines[line - 1]) + 1
            assert 1 <= end_column <= len(lines[end_line - 1]) + 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_characters_are_read_to_their_end(text: str) -> None:
    """Whatever they are."""
    recipes(f"{text}\nvllm serve m -tp 8\n{text}")
