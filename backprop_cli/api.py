"""The package from Python: load a problem, solve it, ask for values, show it in a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from backprop_cli.algebra import compose, expressions
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import Diagnostic, ProblemError, nearest, quote
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.composed import Wholes
from backprop_cli.graph.derivation import Derivations
from backprop_cli.graph.step import Graph, Section
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Iteration, Run
from backprop_cli.run import solve as solve_problem
from backprop_cli.worksheet.document import Document
from backprop_cli.worksheet.sheet import Choices, Form

if TYPE_CHECKING:
    from backprop_cli.marking.model import AnswerResult, Head, SubmissionReport
    from backprop_cli.tutor.session import Session

Answer: TypeAlias = str | float | Sequence[str | float]
"""A number, an expression, or both. Text keeps the digits as they are written."""

__all__ = [
    "Marks",
    "Problem",
    "ProblemError",
    "Solution",
    "TooLarge",
    "UnknownName",
    "check",
    "load",
    "practice",
    "solve",
]

MOST_KEPT = 1000
"""Updates whose every value is kept, unless `show` says otherwise."""
WRITTEN = 2
"""Updates written in full on a sheet, unless `show` says otherwise."""


class UnknownName(KeyError):
    """A name that is not on the worksheet."""

    def __str__(self) -> str:
        return str(self.args[0])


class Values(dict[str, float | None]):
    """Values by name. A name that is not there raises UnknownName, which says what is near."""

    def __missing__(self, name: str) -> float | None:
        raise unknown(name, self)


def unknown(name: str, known: Iterable[str]) -> UnknownName:
    """The error about a name that is not among those known."""
    return UnknownName(
        f"{quote(name)} is not on this worksheet; "
        f"{nearest(name, known) or 'values() has every name'}"
    )


class TooLarge(ValueError):
    """One formula of what was asked for would be too large for SymPy."""


def load(path: str | Path = "-", *, text: str | None = None, **keys: Any) -> Problem:
    """The problem in a file, or in `text`, YAML as in a file, or of the keys of a file.

    `load(equations={"yhat": w*x + b, "L": (yhat - y)**2}, given={"x": 2, "y": 1}, …)`: formulas
    may be SymPy expressions, names its Symbols; equations may be a list of `Eq(name, formula)`.
    Raises ProblemError, whose `diagnostics` hold every mistake in it.
    """
    if keys:
        if text is not None or path != "-":
            raise TypeError("a problem comes from a file, from a text or from keys, not from two")
        return read_problem("the problem", _written_out(keys))
    return read_problem(path, text)


def _written_out(keys: Mapping[str, Any]) -> str:
    """The keys as the text of a file: JSON is YAML."""
    wrong: list[Diagnostic] = []

    def name(value: Any) -> str:
        return value if isinstance(value, str) else str(plain(value))

    def plain(value: Any) -> Any:
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, Mapping):
            return {name(key): plain(each) for key, each in value.items()}
        if isinstance(value, Fraction):
            return float(value)
        if expressions.is_expression(value):
            return formula(value)
        if isinstance(value, Iterable):
            items = list(value)
            if items and all(expressions.is_equation(item) for item in items):
                return {name(item.lhs): plain(item.rhs) for item in items}
            return [plain(item) for item in items]
        try:
            return float(value)
        except (TypeError, ValueError):
            return refused(f"{type(value).__name__} is nothing that a problem file holds")

    def refused(reason: str) -> str:
        wrong.append(Diagnostic("no-formula", reason))
        return "0"

    def formula(expression: Any) -> Any:
        number = expressions.as_number(expression)
        if number is not None:
            return number
        try:
            return expressions.text_of(expression)
        except expressions.NoFormula as error:
            return refused(str(error))

    text = json.dumps(plain(keys), ensure_ascii=False, indent=1)
    if wrong:
        raise ProblemError(wrong)
    return text


def solve(
    problem: Problem | str | Path,
    *,
    steps: int | None = None,
    show: int | None = None,
    symbolic: bool = False,
    only: Sequence[str] = (),
    form: Form | None = None,
    digits: int | None = None,
    round_each: int | None = None,
    exact: bool = False,
    whole: bool = False,
) -> Solution:
    """The worked solution of a problem, or of the problem in a file.

    `steps`: parameter updates, instead of the file's number. `show`: updates whose values are
    kept and written in full. `round_each`: round every value to so many significant digits before
    it is used. The others say how the sheet is written and change no value: `symbolic` with each
    derivation, `only` these names, `form` of the gradients, `digits` shown, `exact` fractions,
    `whole` where a sheet is so large that only its corners would be written.
    """
    if not isinstance(problem, Problem):
        problem = load(problem)
    if form == "gates":
        problem = replace(problem, by_gates=True)
    run = solve_problem(problem, steps=steps, show=show or MOST_KEPT, round_each=round_each)
    choices = Choices(symbolic, (), form, digits, exact, whole=whole)
    solution = Solution(run, choices, show or WRITTEN)
    for name in only:
        solution.value(name)
    return replace(solution, choices=replace(choices, only=tuple(only)))


def check(
    problem: Problem | str | Path,
    answers: str | Path | Mapping[str, Answer],
    *,
    tolerance: float | None = None,
    pass_mark: float | None = None,
) -> Marks:
    """The marks of one student: an answer file, or answers by name to the first update.

    Raises ProblemError for the problem; what is wrong with an answer file is in `Marks.error`.
    """
    from backprop_cli.marking.answers import read_submission
    from backprop_cli.marking.check import Checker
    from backprop_cli.marking.submission import Answer as Written
    from backprop_cli.marking.submission import Submission

    if not isinstance(problem, Problem):
        problem = load(problem)
    if isinstance(answers, Mapping):
        written = tuple(Written(name, _texts(one), 0, 0) for name, one in answers.items())
        submission = Submission("", "answers", (written,))
    else:
        submission = read_submission(answers)
    checker = Checker(problem, tolerance=tolerance, pass_mark=pass_mark, reveal=True)
    return Marks(checker.mark(submission), checker.head, checker.graph)


def practice(
    problem: Problem | str | Path,
    *,
    only: Sequence[str] = (),
    start: str | None = None,
    all_steps: bool = False,
    arrays: bool = False,
    tries: int | None = None,
    free: bool = False,
    answers: str | Path | None = None,
    student: str | None = None,
) -> Session:
    """A sheet to be worked question by question, without a terminal: `next`, `answer(text)`,
    `hint()`, `why()`, `show()`, `skip()`, `back()`, `score` and `state`, the answer file so far.

    `only`, `start`, `all_steps`, `tries` and `free` are those of the command; with `arrays` a whole
    array is one question, as it is there. `answers` is a file to go on from, and `student` whose
    own numbers these are. Raises ProblemError for the files.
    """
    from backprop_cli.tutor.session import Session
    from backprop_cli.tutor.state import read_state

    if not isinstance(problem, Problem):
        problem = load(problem)
    if student is not None:
        from backprop_cli.variants.variant import Drawer

        problem = Drawer(problem).variant(student).problem
    state = None if answers is None else read_state(answers)
    return Session(
        problem,
        only=only,
        start=start,
        all_steps=all_steps,
        arrays=arrays,
        tries=tries,
        free=free,
        state=state,
    )


def _texts(answer: Answer) -> tuple[str, ...]:
    if isinstance(answer, str):
        return (answer,)
    if isinstance(answer, Sequence):
        return tuple(map(str, answer))
    return (repr(float(answer)),)


def _page(format: str, document: Document, **layout: Any) -> str:
    from backprop_cli.render.formats import render

    return str(render(format, document, **layout))


@dataclass(frozen=True)
class Solution:
    """A solved problem: its values by name, and its worked solution in every format.

    In a notebook it shows itself as the worked solution.
    """

    run: Run = field(repr=False)
    choices: Choices = field(default=Choices(), repr=False)
    written: int = field(default=WRITTEN, repr=False)

    @property
    def problem(self) -> Problem:
        return self.run.problem

    def value(self, name: str, iteration: int = 1) -> float | None:
        """The value of a quantity in update number `iteration`; None in a symbolic problem."""
        value = self.exact(name, iteration)
        return None if value is None else as_float(value)

    def exact(self, name: str, iteration: int = 1) -> Fraction | float | None:
        """The same value as a fraction where the arithmetic has been exact so far."""
        solved = self._iteration(iteration)
        name = solved.graph.aliases.get(name, name)
        if name not in solved.values:
            raise unknown(name, solved.values)
        return solved.values[name]

    def expression(self, name: str, iteration: int = 1) -> Any:
        """The formula of a quantity as a SymPy expression in the sheet's names.

        A gradient comes factored down to quantities of the forward pass: (ŷ − y)·ŷ(1 − ŷ)·a.
        """
        graph, name = self._known(name, iteration)
        step = graph.step.get(name)
        if step is None:
            return expressions.expression_of(graph.trivial_slopes.get(name, Name(name)))
        if step.links:
            return expressions.expression_of(Derivations(graph).closed(step))
        return expressions.expression_of(step.formula)

    def composed(self, name: str, iteration: int = 1) -> Any:
        """A quantity as one SymPy expression in inputs and parameters alone.

        A gradient is what SymPy makes of the composed formula. Raises TooLarge.
        """
        graph, name = self._known(name, iteration)
        wholes = Wholes(graph, Derivations(graph))
        try:
            return wholes.composed(name)
        except compose.TooLarge as error:
            raise TooLarge(f"{quote(name)} as one formula: {error}") from None

    def _known(self, name: str, iteration: int) -> tuple[Graph, str]:
        """The equations of an update, and the name in them; UnknownName without it."""
        graph = self._iteration(iteration).graph
        if name not in graph.trivial_slopes:
            self.exact(name, iteration)
        return graph, graph.aliases.get(name, name)

    def values(self, iteration: int = 1) -> dict[str, float | None]:
        """Every value of an update by its name, in worksheet order."""
        return _floats(self._iteration(iteration).values)

    @cached_property
    def gradients(self) -> dict[str, float | None]:
        """The gradients of the first update: ∂L/∂w under `dL/dw`."""
        return self._section("gradient")

    @property
    def parameters(self) -> dict[str, float | None]:
        """The parameters after the last update."""
        return _floats(self.run.final)

    @property
    def losses(self) -> list[float | None]:
        """The loss before each update, and the last one after it."""
        return [None if loss is None else as_float(loss) for loss in self.run.losses]

    @cached_property
    def document(self) -> Document:
        """The worked solution, for a renderer of your own."""
        return self._document(pictures=False)

    @cached_property
    def illustrated(self) -> Document:
        """The same with pictures: the network, the curves of its activations."""
        return self._document(pictures=True)

    def to_text(self, width: int = 80, ascii: bool = False) -> str:
        return _page("text", self.document, width=width, ascii=ascii)

    def to_markdown(self) -> str:
        return _page("markdown", self.illustrated)

    def to_latex(self, paper: str = "a4") -> str:
        return _page("latex", self.illustrated, paper=paper)

    def to_html(self) -> str:
        """A whole page in one file."""
        return _page("html", self.illustrated)

    def to_pdf(self, paper: str = "a4") -> bytes:
        """Pages, `a4` or `letter`. Needs the extra: `pip install 'backprop-cli[pdf]'`."""
        from backprop_cli.render import pdf

        return pdf.render(self.illustrated, paper=paper)

    def to_json(self) -> str:
        from backprop_cli.worksheet.solution_json import solution_json

        return solution_json(self.run, self.choices)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        from backprop_cli.render import html

        return html.fragment(self.illustrated)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"<Solution of {self.problem.title!r}>"

    def _document(self, *, pictures: bool) -> Document:
        from backprop_cli.worksheet.solution import solution

        written = replace(self.run, iterations=self.run.iterations[: self.written])
        return solution(written, replace(self.choices, pictures=pictures))

    def _iteration(self, number: int) -> Iteration:
        for solved in self.run.iterations:
            if solved.number == number:
                return solved
        kept = len(self.run.iterations)
        raise UnknownName(f"the values of update {number} are not kept, only those of 1 to {kept}")

    def _section(self, section: Section) -> dict[str, float | None]:
        first = self.run.iterations[0]
        return _floats({s.name: first.values[s.name] for s in first.graph.section(section)})


@dataclass(frozen=True)
class Marks:
    """One student's answers with their verdicts, in worksheet order, and the points."""

    report: SubmissionReport = field(repr=False)
    head: Head = field(repr=False)
    graph: Graph = field(repr=False)

    @property
    def score(self) -> float:
        return self.report.score

    @property
    def max_score(self) -> float:
        return self.report.max_score

    @property
    def passed(self) -> bool:
        return self.report.passed

    @property
    def error(self) -> str | None:
        """Why the answers could not be read at all."""
        return self.report.error

    @property
    def answers(self) -> tuple[AnswerResult, ...]:
        """Verdict, points, feedback, mistake and the right value of each answer."""
        return self.report.answers

    def document(self, reveal: bool = False) -> Document:
        """The marked sheet; with `reveal` it shows the right values."""
        from backprop_cli.worksheet.marked import marked

        return marked(replace(self.head, reveal=reveal), self.report, self.graph)

    def to_text(self, width: int = 80, ascii: bool = False, reveal: bool = False) -> str:
        return _page("text", self.document(reveal), width=width, ascii=ascii)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        from backprop_cli.render import html

        return html.fragment(self.document())

    def _repr_markdown_(self) -> str:
        return _page("markdown", self.document())

    def __repr__(self) -> str:
        return f"<Marks: {self.score:g} of {self.max_score:g}>"


def _floats(values: Mapping[str, Fraction | float | None]) -> Values:
    return Values(
        {name: None if value is None else as_float(value) for name, value in values.items()}
    )
