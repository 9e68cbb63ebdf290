"""Four ranks that judge the same bad mesh raise the same text, and nobody waits for anybody."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from light_models import judge_on_rank

pytestmark = pytest.mark.torch

RANKS = 4


def test_every_rank_raises_the_same_text(tmp_path: Path) -> None:
    """Also the rank outside the mesh, and though one rank never asks."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(RANKS)]
    arguments = [(rank, RANKS, str(tmp_path / "store"), theirs) for rank, (_, theirs) in enumerate(pipes)]
    processes = [context.Process(target=judge_on_rank, args=args) for args in arguments]
    for process in processes:
        process.start()
    try:
        assert all(ours.poll(90) for ours, _ in pipes)
        texts = dict(ours.recv() for ours, _ in pipes)
        for ours, _ in pipes:
            ours.send("leave")
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    assert texts.pop(2) is None
    assert set(texts) == {0, 1, 3}
    assert len(set(texts.values())) == 1
    assert "Tensor parallelism (tp_size=3)" in texts[0]
