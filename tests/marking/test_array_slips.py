"""Students with one idea about arrays: named with evidence, one mark, all the rest followed through.

The students are those of `array_ideas.py`, which counts many of them, on the shipped sheets; each
works the sheet out by NumPy with one thing done otherwise, and hands in whole arrays.
"""

from __future__ import annotations

import json
from functools import lru_cache
from random import Random

import array_ideas
import numpy as np
import pytest
from array_ideas import IDEAS, SHEETS, Idea
from pages import PROBLEMS, problem

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport


@lru_cache(maxsize=len(SHEETS))
def checker(name: str) -> Checker:
    return Checker(problem(name))


def marked(kind: str, idea: Idea, digits: int, whole: bool) -> SubmissionReport:
    sheet = SHEETS[kind]
    data, _ = array_ideas.loaded(sheet, Random(0), shipped=True)
    answers = array_ideas.worked(sheet, data, idea, digits, whole)
    listed = {key: array_ideas.listed(value) for key, value in answers.items()}
    text = json.dumps({"answers": listed})
    return checker(sheet.shipped).mark(parse_submission("student.json", text))


def rows() -> list[tuple[str, str]]:
    return [
        (kind, name)
        for name, idea in IDEAS.items()
        for kind in idea.sheets
        if array_ideas.changes(kind, name)
    ]


@pytest.mark.parametrize(("kind", "name"), rows())
def test_one_idea_costs_one_mark(kind: str, name: str) -> None:
    idea = IDEAS[name]
    for digits, whole in ((5, False), (6, True)):
        report = marked(kind, idea, digits, whole)
        lost = report.max_score - report.score
        if not idea.codes:
            assert lost == 0
            continue
        first = next(answer for answer in report.answers if answer.verdict == "wrong")
        assert first.mistake is not None
        assert first.mistake.code in idea.codes
        assert 0 < lost <= 2


def test_a_matrix_for_a_vector_is_asked_about() -> None:
    assert (PROBLEMS / "softmax-regression-batch.yaml").exists()
    data, _ = array_ideas.loaded(SHEETS["regression"], Random(0), shipped=True)
    answers = array_ideas.worked(SHEETS["regression"], data, IDEAS["none"], 5, False)
    answers["dL/db"] = np.ones((4, 3)) / 4
    listed = {key: array_ideas.listed(value) for key, value in answers.items()}
    submission = parse_submission("student.json", json.dumps({"answers": listed}))
    report = checker("softmax-regression-batch").mark(submission)
    (unread,) = (answer for answer in report.answers if answer.verdict == "unreadable")
    assert "this is 4×3 where 3 belongs: are its 4 rows not added up yet?" in unread.feedback
