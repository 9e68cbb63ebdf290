"""The sweep: classes proved one after another by a few processes, none of which can stop it.

Each process holds a prover of its own and is replaced after some classes, so that memory stays bounded, when it dies,
and when it is silent for too long. This process only hands out work and writes down what comes back.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Final, NamedTuple, NoReturn

from meshfit.atlas.journal import Journal
from meshfit.errors import MeshfitError
from meshfit.evidence import Evidence
from meshfit.mesh import MeshSpec

__all__ = ["OpenProver", "Prove", "SweepError", "Task", "left_to_do", "sweep"]

Prove = Callable[[str, Sequence[MeshSpec]], Iterable[Evidence]]
"""Runs a class on meshes: evidence of each as it comes. Raises MeshfitError where the class cannot be proved."""
OpenProver = Callable[[], AbstractContextManager[Prove]]
"""What makes a prover in a process of its own: a function of a module, which leaves nothing behind."""

_RENEWED: Final = 40
"""Classes after which a process is replaced."""
_FALSE_STARTS: Final = 3
_GRACE: Final = 15.0
"""Seconds in which a process that was told to end may clean up."""
_LOOK: Final = 1.0


class SweepError(MeshfitError, RuntimeError):
    """The sweep cannot go on: no prover starts."""


class Task(NamedTuple):
    """A class, and the meshes it is to run on."""

    target: str
    meshes: tuple[MeshSpec, ...]


def left_to_do(targets: Iterable[str], meshes: Sequence[MeshSpec], journal: Journal) -> tuple[Task, ...]:
    """What the journal does not have yet."""
    tasks = (Task(name, tuple(m for m in meshes if not journal.is_done(name, str(m)))) for name in targets)
    return tuple(task for task in tasks if task.meshes)


def sweep(
    tasks: Iterable[Task],
    open_prover: OpenProver,
    journal: Journal,
    *,
    jobs: int = 1,
    silence: float = 600.0,
    tell: Callable[[int], None] | None = None,
) -> None:
    """Prove every task and write what comes of it into the journal.

    Args:
        tasks: what is to be done, in order.
        open_prover: makes the prover of a process.
        journal: written after every proof.
        jobs: processes that prove at once.
        silence: seconds without a proof after which a process counts as lost.
        tell: told after each class how many are done.

    Raises:
        SweepError: no process could open a prover.
        KeyboardInterrupt: the processes have ended and the journal is whole.
    """
    waiting = deque(tasks)
    workers: list[_Worker] = []
    finished = false_starts = 0
    try:
        while waiting or any(worker.task for worker in workers):
            while len(workers) < jobs and sum(worker.task is None for worker in workers) < len(waiting):
                workers.append(_Worker(open_prover))
            for worker in workers:
                if worker.ready and worker.task is None and waiting:
                    worker.give(waiting.popleft())
            listening: list[Any] = [worker.connection for worker in workers]
            spoken = wait(listening, timeout=_LOOK)
            for worker in list(workers):
                ending = worker.listen(journal) if worker.connection in spoken else ""
                if not ending and worker.silent_for() > silence:
                    ending = f"no answer within {silence:.0f} s"
                if worker.ready:
                    false_starts = 0
                finished += worker.finished()
                if ending or worker.tired:
                    finished += worker.lost(ending, journal)
                    workers.remove(worker)
                    worker.end(_GRACE if worker.tired else 0.0)
                    false_starts += not worker.ready
                    if false_starts >= _FALSE_STARTS:
                        raise SweepError(f"no prover starts: {ending}; try meshfit verify on one class")
            if tell is not None:
                tell(finished)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.end(_GRACE)
        journal.close()


class _Worker:
    """A process that proves, seen from here."""

    def __init__(self, open_prover: OpenProver) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        self.connection: Connection = ours
        self._process = context.Process(target=_work, args=(theirs, open_prover))
        self._process.start()
        theirs.close()
        self.ready: bool = False
        self.task: Task | None = None
        self._heard = time.monotonic()
        self._closed = 0
        self._told = 0

    @property
    def tired(self) -> bool:
        """It has done its share."""
        return self.task is None and self._closed >= _RENEWED

    def silent_for(self) -> float:
        """Seconds since it spoke, while it has something to say."""
        return time.monotonic() - self._heard if self.task or not self.ready else 0.0

    def finished(self) -> int:
        """Tasks that ended since this was asked last."""
        new, self._told = self._closed - self._told, self._closed
        return new

    def give(self, task: Task) -> None:
        """Hand it work; a process that has just died is noticed when it is listened to."""
        self.task, self._heard = task, time.monotonic()
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def listen(self, journal: Journal) -> str:
        """Take one message; why the process is of no more use, empty while it is."""
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(_LOOK)
            return f"the prover ended with exit code {self._process.exitcode}"
        self._heard = time.monotonic()
        if kind == "broken":
            return str(value)
        if kind == "ready":
            self.ready = True
        elif kind == "evidence":
            journal.add(Evidence.from_dict(value))
        elif self.task is not None:
            journal.close_target(self.task.target, [str(mesh) for mesh in self.task.meshes], value)
            self.task = None
            self._closed += 1
        return ""

    def lost(self, why: str, journal: Journal) -> int:
        """Write down the task that it takes with it; how many those are."""
        if self.task is None:
            return 0
        journal.note_crash(self.task.target, why)
        self.task = None
        return 1

    def stop(self) -> None:
        """Tell it to clean up and end."""
        self.connection.close()
        self._process.terminate()

    def end(self, grace: float) -> None:
        """Wait for its end, and force it after `grace` seconds."""
        if not self.connection.closed:
            self.stop()
        self._process.join(grace)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


class _GoneError(Exception):
    """The other side of the connection has closed it."""


def _work(connection: Connection, open_prover: OpenProver) -> None:
    """The life of a prover's process: tasks come in, messages go out, until the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all its processes: the sweep ends this one
    signal.signal(signal.SIGTERM, _leave)
    try:
        with open_prover() as prove:
            _say(connection, "ready", "")
            while True:
                _say(connection, "done", _proved(prove, _next_task(connection), connection))
    except _GoneError:
        return
    except Exception as fault:  # noqa: BLE001 - whatever it is, the sweep writes it down and goes on
        with contextlib.suppress(_GoneError):
            _say(connection, "broken", _told(fault))


def _proved(prove: Prove, task: Task, connection: Connection) -> str:
    """Prove one class; why it could not be, empty where it was."""
    try:
        for evidence in prove(task.target, task.meshes):
            _say(connection, "evidence", evidence.to_dict())
    except MeshfitError as reason:
        return _told(reason)
    return ""


def _say(connection: Connection, kind: str, value: object) -> None:
    try:
        connection.send((kind, value))
    except OSError:
        _end_in_peace()
        raise _GoneError from None


def _next_task(connection: Connection) -> Task:
    try:
        task: Task = connection.recv()
    except (EOFError, OSError):
        _end_in_peace()
        raise _GoneError from None
    return task


def _told(fault: BaseException) -> str:
    first = str(fault).strip().partition("\n")[0][:300]
    return first if isinstance(fault, MeshfitError) else f"{type(fault).__name__}: {first}"


def _leave(*_: object) -> NoReturn:
    _end_in_peace()
    raise SystemExit


def _end_in_peace() -> None:
    """A second reason to end may not interrupt what the first one has to clean up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
