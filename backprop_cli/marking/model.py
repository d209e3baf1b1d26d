"""What marking says: a verdict on each answer, a report on each submission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Formula

Verdict: TypeAlias = Literal[
    "correct",
    "follow_through",  # right from the student's own earlier numbers, which are not right
    "imprecise",  # right method, too few digits to tell
    "wrong",
    "missing",  # asked, not given
    "unreadable",
    "unknown",  # no such name on the sheet
]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""The best first."""
GOOD: tuple[Verdict, ...] = ("correct", "follow_through")
"""What an answer is that has no mark to lose."""

Code: TypeAlias = Literal[
    "sign-flipped",
    "missing-activation-derivative",
    "derivative-at-wrong-point",
    "missing-path",
    "missing-factor",
    "extra-factor",
    "loss-constant",
    "wrong-operand",
    "used-updated-weights",
    "ascent",
    "missing-learning-rate",
    "missing-bias",
    "missing-activation",
    "wrong-activation",
    "sum-not-mean",
    "mean-not-sum",
    "decimal-slip",
    "misread-given",
    "stale-parameters",
    "row-shift",
    "values-exchanged",
    "log-base",
    "other-rule",
    "mistyped",
    "softmax-diagonal",
    "formula-right",
    "transposed",
    "matrix-order",
    "missing-sum",
    "missing-scale",
    "kernel-flipped",
    "wrong-window",
    "shape",
]


class Mistake(NamedTuple):
    """A known slip. The message names factors, paths and operands, never a value to be found."""

    code: Code
    message: str


class Throughout(NamedTuple):
    """A slip wherever it is made: the steps it changes, and how to make what they come to."""

    mistake: Mistake
    names: frozenset[str]
    make: Callable[[], Mapping[str, Formula]]
    of_steps: bool = False  # a slip of single steps, made in several


class AnswerResult(NamedTuple):
    """The verdict on one answer. `line` is 0 where the answer has no place in a file.

    `expected` and `expected_from_own_work` give values away: reports show them only when asked
    to reveal them.
    """

    iteration: int
    name: str
    given: str
    verdict: Verdict
    points: float
    max_points: float
    feedback: str = ""
    mistake: Mistake | None = None
    expected: float | None = None
    expected_from_own_work: float | None = None
    line: int = 0
    column: int = 0
    same_as: str = ""  # where the same slip was charged
    typed: str = ""  # the name as it was typed, where it is not the sheet's own spelling
    read_as: str = ""  # how the text was read, where it does not look like that


@dataclass(frozen=True)
class SubmissionReport:
    """One submission marked: answers in worksheet order, what is not on the sheet at the end."""

    file: str
    student: str
    score: float
    max_score: float
    passed: bool
    answers: tuple[AnswerResult, ...] = ()
    error: str | None = None
    remarks: tuple[str, ...] = ()  # how the file was repaired, and by which conventions it is read

    @property
    def first_slip(self) -> AnswerResult | None:
        """The first answer that is wrong in itself, in worksheet order."""
        return next((answer for answer in self.answers if answer.verdict == "wrong"), None)

    @property
    def first_kind(self) -> str:
        """What the first slip is, `wrong` where it is none that is known; nothing without one."""
        slip = self.first_slip
        return "" if slip is None else slip.mistake.code if slip.mistake else "wrong"


@dataclass(frozen=True)
class Head:
    """What every report begins with: the problem, and what it takes to pass."""

    problem: str  # the problem file
    title: str
    pass_mark: float
    reveal: bool = False
    whole: int = 1  # what points are multiplied by where only whole ones are allowed
    follow_through: float = 1.0  # the share of the points that it earns
    imprecise: float = 0.5
