"""How many ranks a command starts: SLURM's directives, `srun`, `torchrun`, `accelerate launch`, `deepspeed`, `mpirun`.

A number that comes from a default of the script, that is a range, or that contradicts another is unknown: whoever
starts the job may have set another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from meshfit.lint.recipe import Written
from meshfit.lint.shell_text import Places, Run

__all__ = ["Command", "Directives", "Ranks", "ranks_of"]

_DIRECTIVE: Final = re.compile(r"#SBATCH[ \t]+([^\n]*)")
_ITEM: Final = re.compile(r"[^ \t\r]+")
_GPUS: Final = re.compile(r"(?:gpu:)?(?:[A-Za-z][\w.-]*:)?(\d+)(?:\([^)]*\))?\Z")
_COUNT: Final = re.compile(r"[1-9]\d{0,8}\Z")

_SLURM: Final[Mapping[str, str]] = {
    "-N": "nodes",
    "--nodes": "nodes",
    "-n": "tasks",
    "--ntasks": "tasks",
    "--ntasks-per-node": "tasks_per_node",
    "--tasks-per-node": "tasks_per_node",
    "-G": "gpus",
    "--gpus": "gpus",
    "--gpus-per-node": "gpus_per_node",
    "--gres": "gpus_per_node",
}
"""Options of sbatch and srun (slurm.schedmd.com)."""
_TORCHRUN: Final[Mapping[str, str]] = {
    "--nnodes": "nodes",
    "--nproc-per-node": "ranks_per_node",
    "--nproc_per_node": "ranks_per_node",
}
_ACCELERATE: Final[Mapping[str, str]] = {
    "--num_processes": "ranks",
    "--num-processes": "ranks",
    "--num_machines": "nodes",
    "--num-machines": "nodes",
}
_DEEPSPEED: Final[Mapping[str, str]] = {
    "--num_gpus": "ranks_per_node",
    "--num_accelerators": "ranks_per_node",
    "--num_nodes": "nodes",
}
_MPIRUN: Final[Mapping[str, str]] = {"-n": "ranks", "-np": "ranks", "--np": "ranks", "--n": "ranks"}
_ELSEWHERE: Final = frozenset({"-H", "--hostfile", "-i", "--include", "-e", "--exclude", "--config_file"})
"""Options of deepspeed and accelerate by which another file tells how many."""


class _Told(NamedTuple):
    """The value of an option, and the option as it stands."""

    run: Run
    key: str


class Command(NamedTuple):
    """One command as it runs.

    Args:
        fields: its words, variables put in.
        environment: what is exported to it.
        assumed: whether a text is a default of the script that may be another.
        directives: SLURM's, with what starts the shell that runs it.
    """

    fields: tuple[Run, ...]
    environment: Mapping[str, Run]
    assumed: Callable[[Run], bool]
    directives: Directives


class Ranks(NamedTuple):
    """How many ranks start, as far as it is certain.

    Args:
        world: ranks.
        gpus_per_node: devices of each node.
        devices: of all nodes that SLURM gives.
    """

    world: Written | None = None
    gpus_per_node: Written | None = None
    devices: Written | None = None


class Directives:
    """The `#SBATCH` lines of a script.

    Args:
        text: the script. SLURM reads them up to its first command.
        before: fields of an `srun` or `mpirun` that starts the shell in which commands run.
    """

    def __init__(self, text: str, before: tuple[Run, ...] = ()) -> None:
        self._text = text
        self.before = before
        options: list[Run] = []
        at = 0
        for line in text.splitlines(keepends=True):
            if line.strip() and not line.startswith("#"):
                break
            found = _DIRECTIVE.match(line)
            if found:
                told = found[1].partition(" #")[0]
                options += [
                    Run(
                        item[0],
                        tuple(
                            (at + i, at + i + 1)
                            for i in range(found.start(1) + item.start(), found.start(1) + item.end())
                        ),
                    )
                    for item in _ITEM.finditer(told)
                ]
            at += len(line)
        self.several_jobs: bool = any(option.text == "hetjob" for option in options)
        self.options: dict[str, _Told | None] = {} if self.several_jobs else _options(options, _SLURM)

    def started_by(self, before: tuple[Run, ...]) -> Directives:
        """The same with what starts an inner shell."""
        if not before:
            return self
        other = Directives("", (*self.before, *before))
        other.options = self.options
        return other

    def variables(self) -> dict[str, Run]:
        """What SLURM sets for the script."""
        found: dict[str, Run] = {}
        for option, names in (
            ("nodes", ("SLURM_NNODES", "SLURM_JOB_NUM_NODES")),
            ("tasks", ("SLURM_NTASKS", "SLURM_NPROCS")),
            ("tasks_per_node", ("SLURM_NTASKS_PER_NODE",)),
            ("gpus_per_node", ("SLURM_GPUS_PER_NODE", "SLURM_GPUS_ON_NODE")),
        ):
            told = self.options.get(option)
            if told is not None and _COUNT.match(told.run.text):
                found |= dict.fromkeys(names, told.run)
        return found


def ranks_of(command: Command, program: int, places: Places) -> Ranks:
    """The ranks that a command starts.

    Args:
        command: the command.
        program: index of the field that names the program which the ranks run.
        places: of the file.
    """
    count = _Counter(command, places)
    found = _started(command, program, count)
    slurm = command.directives.options
    nodes, gpus = count.of(slurm, "nodes"), count.of(slurm, "gpus_per_node")
    devices = None if nodes is None or gpus is None else gpus._replace(value=gpus.value * nodes.value)
    return found._replace(devices=devices)


def _started(command: Command, program: int, count: _Counter) -> Ranks:
    fields = (*command.directives.before, *command.fields[:program])
    slurm = command.directives.options
    nodes, gpus = count.of(slurm, "nodes"), count.of(slurm, "gpus_per_node")
    total = count.of(slurm, "gpus")
    if gpus is None and total is not None and nodes is not None and total.value % nodes.value == 0:
        gpus = total._replace(value=total.value // nodes.value)
    names = [field.text.rpartition("/")[2] for field in fields]
    starts = {name: index for index, name in enumerate(names)}
    if "srun" in starts:
        told = _options(fields[starts["srun"] + 1 :], _SLURM)
        nodes = count.of(told, "nodes") if "nodes" in told else nodes
        gpus = count.of(told, "gpus_per_node") if "gpus_per_node" in told else gpus
    begin = _torchrun(names)
    if begin is not None:
        return _per_node(_options(fields[begin:], _TORCHRUN), fields[begin:], count, nodes, gpus, slurm)
    if "accelerate" in starts:
        begin = starts["accelerate"]
        told = _options(fields[begin:], _ACCELERATE)
        world, machines = count.of(told, "ranks"), count.of(told, "nodes")
        if world is None:
            return Ranks(gpus_per_node=gpus)
        if gpus is None and machines is not None and world.value % machines.value == 0:
            gpus = world._replace(value=world.value // machines.value)
        return Ranks(world, gpus)
    if "deepspeed" in starts:
        begin = starts["deepspeed"]
        if any(name in _ELSEWHERE for name in names[begin:]):
            return Ranks(gpus_per_node=gpus)
        told = _options(fields[begin:], _DEEPSPEED)
        found = _per_node(told, fields[begin:], count, nodes, gpus, slurm)
        # without a number of nodes it takes those of a file that may be there
        return found if "nodes" in told else found._replace(world=None)
    for name in ("mpirun", "mpiexec"):
        if name in starts:
            return Ranks(count.of(_options(fields[starts[name] :], _MPIRUN), "ranks"), gpus)
    if "srun" in starts:
        told = {**slurm, **_options(fields[starts["srun"] + 1 :], _SLURM)}
        return Ranks(_tasks(told, count, gpus), gpus)
    return Ranks(gpus_per_node=gpus)


def _torchrun(names: Sequence[str]) -> int | None:
    for index, name in enumerate(names):
        if name == "torchrun" or name in ("torch.distributed.run", "torch.distributed.launch"):
            return index
    return None


def _per_node(
    told: Mapping[str, _Told | None],
    fields: Sequence[Run],
    count: _Counter,
    nodes: Written | None,
    gpus: Written | None,
    slurm: Mapping[str, _Told | None],
) -> Ranks:
    """Ranks of a launcher that is told nodes and ranks of each."""
    each = count.of(told, "ranks_per_node")
    if each is None or (gpus is not None and each.value > gpus.value):
        return Ranks(gpus_per_node=gpus)
    gpus = gpus or each
    if "nodes" not in told:
        sure = all(field.known for field in fields) and not count.is_given("NNODES", "PET_NNODES")
        alone = nodes is None or nodes.value == 1
        return Ranks(each if sure and alone and "nodes" not in slurm else None, gpus)
    own = count.of(told, "nodes")
    if own is None or (nodes is not None and nodes.value != own.value) or ("nodes" in slurm and nodes is None):
        return Ranks(gpus_per_node=gpus)
    return Ranks(each._replace(value=each.value * own.value), gpus)


def _tasks(told: Mapping[str, _Told | None], count: _Counter, gpus: Written | None) -> Written | None:
    """Ranks of `srun` without another launcher: one a task, unless a node has one task and many devices."""
    tasks, nodes, each = (count.of(told, name) for name in ("tasks", "nodes", "tasks_per_node"))
    if each is None and tasks is not None and nodes is not None and tasks.value % nodes.value == 0:
        each = tasks._replace(value=tasks.value // nodes.value)
    if each is None or nodes is None or (each.value == 1 and (gpus is None or gpus.value > 1)):
        return None
    world = each._replace(value=each.value * nodes.value)
    return world if tasks is None or tasks.value == world.value else None


class _Counter:
    """Reads numbers of ranks and nodes that are certain."""

    def __init__(self, command: Command, places: Places) -> None:
        self._command = command
        self._places = places

    def of(self, told: Mapping[str, _Told | None], name: str) -> Written | None:
        """The number of that name, None where it is not told or not certain."""
        value = told.get(name)
        if value is None or self._command.assumed(value.run):
            return None
        run = value.run
        found = _GPUS.match(run.text) if name.startswith("gpus") else _COUNT.match(run.text)
        if found is None or not _COUNT.match(found[found.re.groups]):
            return None
        return Written(int(found[found.re.groups]), self._places.spot(run), value.key)

    def is_given(self, *names: str) -> bool:
        """Whether the environment has one of these."""
        return any(name in self._command.environment for name in names)


def _options(fields: Iterable[Run], names: Mapping[str, str]) -> dict[str, _Told | None]:
    """The values of options; None where one is given twice in two ways, or its value does not follow."""
    found: dict[str, _Told | None] = {}
    waiting = ""
    for field in fields:
        text = field.text
        if waiting:
            _set(found, names[waiting], _Told(field, waiting))
            waiting = ""
            continue
        name, equals, _ = text.partition("=")
        if name in names and (equals or not text.startswith("--") or text == name):
            if equals:
                _set(found, names[name], _Told(field.part(len(name) + 1), name))
            else:
                waiting = name
        elif text[:2] in names and len(text) > 2 and not text.startswith("--") and text[2].isdigit():
            _set(found, names[text[:2]], _Told(field.part(2), text[:2]))
    return found


def _set(found: dict[str, _Told | None], name: str, value: _Told) -> None:
    before = found.get(name, value)
    found[name] = value if before is not None and before.run.text == value.run.text else None
