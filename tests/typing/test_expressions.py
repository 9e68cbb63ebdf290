"""What names, attributes and constants of a program may be: every mark of the programs is the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.typing.asking import Question, agrees, answer, answers, questions

QUESTIONS = questions("attributes", "doubts", "names", "opened", "silent", "starred", "values")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are run."""
    return tmp_path_factory.mktemp("asked")


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_an_expression_is_all_it_may_be(folder: Path, question: Question) -> None:
    """The set of its readable possibilities; unknown as soon as one of them is."""
    assert agrees(answer(answers(folder), question), question.answer)


def test_a_question_that_is_not_asked_is_an_error(folder: Path) -> None:
    """A mark on a line without a call cannot pass."""
    with pytest.raises(LookupError):
        answer(answers(folder), Question("names", 1, "tp=8"))
