"""Files that scripts name: configs judged with the command, settings that are sourced, configs that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshfit.cli.main import main
from meshfit.lint.recipe import Recipe
from meshfit.lint.shell import read_shell
from meshfit.readers.unknown import UNKNOWN

RECIPE = "step_scheduler: {}\ndistributed:\n  strategy: fsdp2\n  tp_size: 4\n"
RUN = "torchrun --nproc-per-node=8 finetune.py --config recipe.yaml"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write files of a folder that is then the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**texts: str) -> None:
        for name, text in texts.items():
            path = Path(name.replace("__", "/").replace("_", "."))
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    return write


def recipes(script: str, path: str = "run.sh") -> list[Recipe]:
    """All meshes of a script."""
    return list(read_shell(script, path))


def test_a_config_has_the_ranks_of_the_command_that_names_it(files: Any) -> None:
    """Its places are those of its name, and it keeps its own."""
    files(recipe_yaml=RECIPE)
    (recipe,) = recipes(RUN)
    assert recipe.world is not None
    assert (recipe.world.value, recipe.sizes["tp"].value) == (8, 4)
    assert recipe.sizes["tp"].spot == (1, 50, 1, 61)
    assert recipe.config is not None
    assert recipe.config.recipe.sizes["tp"].spot == (4, 12, 4, 13)


@pytest.mark.parametrize(
    "script",
    [
        f"{RUN} $EXTRA",
        f'{RUN} "$@"',
        f"{RUN} --model.num_hidden_layers 2",
        f"cd elsewhere\n{RUN}",
        f"cp other.yaml recipe.yaml\n{RUN}",
        f"sed -i s/4/2/ ./recipe.yaml\n{RUN}",
        f"make_recipe > recipe.yaml\n{RUN}",
        f"echo 'x: 1' >> recipe.yaml\n{RUN}",
        RUN.replace("recipe", "/recipe"),
        RUN.replace("recipe", "~/recipe"),
        RUN.replace("recipe", "$HOME/recipe"),
        RUN.replace("recipe", "absent"),
        RUN.replace("recipe", "broken"),
        RUN.replace("--config", "--other"),
        f"echo {RUN}",
    ],
)
def test_a_config_that_may_be_another_is_left_alone(files: Any, script: str) -> None:
    """Flags that are hidden or say more than sizes, another folder, a name that only a run can tell, no config."""
    files(recipe_yaml=RECIPE, broken_yaml="distributed: [\n")
    assert recipes(script) == []


def test_two_files_that_may_be_meant_are_none(files: Any) -> None:
    """One beside the script, another where the command runs; the same file twice is one."""
    files(recipe_yaml=RECIPE, scripts__recipe_yaml=RECIPE)
    assert recipes(RUN, "scripts/run.sh") == []
    assert len(recipes(f'cd "$(dirname "$0")"\n{RUN}', "scripts/run.sh")) == 1
    Path("scripts/recipe.yaml").unlink()
    Path("scripts/recipe.yaml").symlink_to("../recipe.yaml")
    assert len(recipes(RUN, "scripts/run.sh")) == 1


def test_a_config_tells_its_own_mistakes_once(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By itself where it is linted too, else by the script that names it."""
    files(recipe_yaml=RECIPE.replace("tp_size: 4", "tp_sise: 4\n  cp_size: 3"), run_sh=RUN)
    assert main(["lint", "run.sh"]) == 1
    alone = capsys.readouterr().out
    assert alone.count("recipe.yaml: unknown key 'tp_sise'") == 1
    assert main(["lint", "."]) == 1
    both = capsys.readouterr().out
    assert both.count("unknown key 'tp_sise'") == both.count("recipe.yaml:4:3: error: unknown key") == 1


def test_a_mistake_of_both_points_to_both(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The script names the config, the size stands in it, and the ranks in the script."""
    files(recipe_yaml=RECIPE.replace("4", "3"), run_sh=RUN)
    assert main(["lint", ".", "--select", "MS001"]) == 1
    assert capsys.readouterr().out == (
        "run.sh:1:50: error: recipe.yaml: Device mesh (world_size=3): the mesh needs 3 ranks (tp_size=3), which does "
        "not divide world_size (8) (MS001 mesh-world-size; if ignored, refused with an error before the weights load)\n"
        "    recipe.yaml:4:12: the mesh is written here\n"
        "    help: set tp_size=8, or start 3 ranks\n"
        "1 error in 2 meshes of 2 files\n"
    )


SERVE = "vllm serve m --tensor-parallel-size"


@pytest.mark.parametrize(
    ("sourced", "expected"),
    [
        ("TP=8", 8),
        ("export TP=8\n", 8),
        ("# sizes\nA=2\nTP=$((A * 4))\r\n", 8),
        ("tp() { TP=4; }\nTP=2\n[ -z $X ] || true\nTP=8", 8),
        ("if [ $X ]; then TP=8; fi", UNKNOWN),
        ("TP=$(nproc)", UNKNOWN),
        ("source sizes.sh", UNKNOWN),
        ("( " * 500, UNKNOWN),
        ("TP=8\0", UNKNOWN),
        ("#" * 60_000 + "\nTP=8", UNKNOWN),
    ],
)
def test_what_a_sourced_file_sets_is_known(files: Any, sourced: str, expected: object) -> None:
    """As far as it is plain, and short enough for settings."""
    files(sizes_sh=sourced)
    (recipe,) = recipes(f". ./sizes.sh\n{SERVE} $TP")
    assert recipe.sizes["tp"].value == expected


def test_a_value_of_a_sourced_file_stands_where_the_file_is_named(files: Any) -> None:
    """Its own commands are judged with it, not with whoever sources it."""
    files(sizes_sh=f"TP=8\n{SERVE} 3\nserve() {{ {SERVE} 5; }}\n")
    (recipe,) = recipes(f"source sizes.sh\nserve\n{SERVE} $TP")
    assert recipe.sizes["tp"].value == 8
    assert recipe.sizes["tp"].spot == (1, 8, 1, 16)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("cat > x.yaml <<EOF\n{}EOF\n", 4),
        ("cat <<'EOF' > x.yaml\n{}EOF\n", 4),
        ('cat - >| x.yml << "EOF"\n{}EOF\n', 4),
        ("tee x.yaml <<EOF >/dev/null\n{}EOF\n", 4),
        ("write() {{\ncat > $1 <<EOF\n{}EOF\n}}\nwrite x.yaml\n", 4),
        ("if [ $X ]; then cat > x.yaml <<EOF\n{}EOF\nfi\n", 4),
        ("cat >> x.yaml <<EOF\n{}EOF\n", None),
        ("cat > x.txt <<EOF\n{}EOF\n", None),
        ("cat > x.yaml <<EOF\n{}EOF\nsed -i s/4/8/ x.yaml\n", None),
        ("cat head > x.yaml <<EOF\n{}EOF\n", None),
        ("cat > x.yaml <<EOF | cat\n[{}EOF\n", None),
        ("sed s/4/8/ > x.yaml <<EOF\n{}EOF\n", None),
    ],
)
def test_a_config_that_a_script_writes_is_read(script: str, expected: int | None) -> None:
    """Where the script writes just what stands there."""
    found = [recipe.sizes["tp"].value for recipe in recipes(script.format(RECIPE))]
    assert found == ([] if expected is None else [expected])


def test_a_written_size_is_placed_in_the_script() -> None:
    """A plain one where it stands, a variable where it is set; what only a run tells is unknown."""
    body = "step_scheduler: {}\ndistributed:\n\ttp_size: $TP\n\tcp_size: 2\n\tep_size: $(nproc)\n".replace("\t", "  ")
    (recipe,) = recipes(f"TP=16\ncat > x.yaml <<EOF\n{body}EOF\n")
    assert {axis: written.value for axis, written in recipe.sizes.items()} == {"tp": 16, "cp": 2, "ep": UNKNOWN}
    assert recipe.sizes["tp"].spot == (1, 4, 1, 6)
    assert recipe.sizes["cp"].spot == (6, 12, 6, 13)


def test_a_written_config_gets_the_ranks_of_the_command_that_names_it() -> None:
    """Also where a file of that name lies about; written twice it is not known."""
    script = f"cat > recipe.yaml <<EOF\n{RECIPE}EOF\n"
    worlds = [recipe.world.value for recipe in recipes(script + RUN) if recipe.world is not None]
    assert worlds == [8]
    twice = script + script.replace("4", "2") + RUN
    assert [recipe.world for recipe in recipes(twice)] == [None, None]
