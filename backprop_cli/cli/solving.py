"""Solve: the worked solution, its verification, its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backprop_cli import completion
from backprop_cli.cli import options as opt
from backprop_cli.cli.app import MISMATCH, OK, SOLVE, UsageProblem, command
from backprop_cli.cli.shared import (
    TEXT_SHOWN,
    chosen_format,
    deliver_document,
    read,
    suggestion,
)
from backprop_cli.console import Progress, deliver
from backprop_cli.dataclass import replace
from backprop_cli.diagnostics import quote
from backprop_cli.render.formats import JSON, PICTURES, SHEETS, SOLUTIONS, TEXT
from backprop_cli.render.formats import draw as draw_as

if TYPE_CHECKING:
    from backprop_cli.marking.names import AnswerNames
    from backprop_cli.run import Run
    from backprop_cli.worksheet.document import Document
    from backprop_cli.worksheet.sheet import Choices


JSON_SHOWN = 1000
MOST_RATES = 20


@command(SOLVE, "backprop solve problems/two-hidden-layers.yaml --only dL/dw1_1_1")
def solve(
    context: typer.Context,
    file: opt.ProblemFile,
    student: opt.Student = None,
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="Write out each derivation.")
    ] = False,
    composed: Annotated[
        bool,
        typer.Option("--composed", help="Each derivative as one formula in what is given."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Just this quantity (repeatable).",
            autocompletion=completion.quantities,
        ),
    ] = None,
    form: Annotated[
        opt.Form | None, typer.Option("--form", help="How gradients are written.")
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="With --form gates: what an autograd engine records."),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", min=1, max=1_000_000, help="Number of updates."),
    ] = None,
    show: Annotated[
        int | None,
        typer.Option("--show", metavar="K", min=1, max=100_000, help="Updates written in full."),
    ] = None,
    digits: opt.Digits = None,
    round_each: Annotated[
        int | None,
        typer.Option(
            "--round-each",
            metavar="N",
            min=1,
            max=15,
            help="Round every value to N significant digits before it is used, as by hand.",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Fractions where they exist.")] = False,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve", metavar="NAME=LOW:HIGH", help="Draw the output over a quantity: x=-5:5."
        ),
    ] = None,
    lr_sweep: Annotated[
        str | None,
        typer.Option(
            "--lr-sweep", metavar="RATES", help="Losses for several learning rates: 0.1,0.5,1."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every row, of however large a sheet.")
    ] = False,
    format: Annotated[str | None, opt.format_option(SOLUTIONS, "What to write")] = None,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
    pager: opt.Pager = False,
) -> None:
    """The worked solution: forward, loss, gradients, update, and the loss again."""
    chosen = chosen_format(context, SOLUTIONS)
    layout = opt.Layout(ascii, width, paper, pager)
    problem = read(file, student)
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.sheet import Choices

    if steps is not None and lr_sweep is None and not problem.trains:
        raise UsageProblem("--steps: without a learning_rate this problem has no updates")
    if lr_sweep is not None:
        learning_rates = rates(lr_sweep)
        from backprop_cli.worksheet.sweep import sweep

        deliver_document(lambda: sweep(problem, learning_rates, steps), chosen, output, layout)
        return
    if record and form is not opt.Form.GATES:
        raise UsageProblem("--record: the record is kept gate by gate, so it needs --form gates")
    if form is opt.Form.GATES:
        problem = replace(problem, by_gates=True)
    shown = show or (JSON_SHOWN if chosen is JSON else TEXT_SHOWN)
    with Progress("updates done", problem.training.steps if steps is None else steps) as progress:
        run = solve_problem(
            problem, steps=steps, show=shown, round_each=round_each, progress=progress
        )
    asked = only_names(run, only or [])
    choices = Choices(
        symbolic=symbolic,
        only=asked,
        form=form.value if form else None,
        digits=digits,
        fractions=exact,
        curve=curve_range(run, curve, asked),
        pictures=chosen.pictured,
        composed=composed,
        record=record,
        whole=everything,
    )
    deliver_document(
        lambda: solution_page(run, choices),
        chosen,
        output,
        layout,
        json=lambda: solution_data(run, choices),
        sympy=lambda: solution_script(run, choices),
    )


def solution_page(run: Run, choices: Choices) -> Document:
    from backprop_cli.worksheet.solution import solution

    return solution(run, choices)


def solution_data(run: Run, choices: Choices) -> str:
    from backprop_cli.worksheet.solution_json import solution_json

    return solution_json(run, choices)


def solution_script(run: Run, choices: Choices) -> str:
    from backprop_cli.worksheet.solution_sympy import NoScript, solution_sympy

    try:
        return solution_sympy(run, choices)
    except NoScript as error:
        raise UsageProblem(str(error)) from None


@command(SOLVE, "backprop verify problems/two-hidden-layers.yaml")
def verify(
    context: typer.Context,
    file: opt.ProblemFile,
    student: opt.Student = None,
    format: opt.SheetFormat = None,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """Check every gradient against finite differences and the composed loss."""
    chosen = chosen_format(context, SHEETS)
    problem = read(file, student)
    from backprop_cli.verify import report, sheet, verification

    verified = verification(problem)
    deliver_document(
        lambda: sheet.verification_sheet(verified),
        chosen,
        output,
        opt.Layout(ascii, width, paper),
        json=lambda: report.verification_json(verified),
    )
    raise typer.Exit(OK if verified.agrees else MISMATCH)


@command(SOLVE, "backprop draw problems/two-hidden-layers.yaml -o network.svg")
def draw(
    context: typer.Context,
    file: opt.ProblemFile,
    student: opt.Student = None,
    format: Annotated[str | None, opt.format_option(PICTURES, "What to draw", "svg")] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="Without any numbers but the given ones.")
    ] = False,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
) -> None:
    """The network with its values and gradients as a picture."""
    chosen = chosen_format(context, PICTURES, "svg")
    problem = read(file, student)
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.diagram import diagram
    from backprop_cli.worksheet.document import Document
    from backprop_cli.worksheet.sheet import spelling_of

    run = solve_problem(problem, steps=1 if problem.trains else None, show=1)
    graph = run.iterations[0].graph
    picture, spelling = diagram(run, blank=blank), spelling_of(graph)
    if chosen is not TEXT:
        deliver(draw_as(chosen.name, picture, spelling), output)
        return
    document = Document(
        "", (picture,), spelling, graph.lettering.typed
    )  # the picture has the title
    deliver_document(lambda: document, chosen, output, opt.Layout(ascii, width))


def only_names(run: Run, asked: Sequence[str]) -> tuple[str, ...]:
    """The names asked for, each known on the sheet; they may be spelled as in answer files, and
    `*` and `?` stand for any letters and any one, as in `marking`."""
    if not asked:
        return ()
    from backprop_cli.formula.nodes import Name
    from backprop_cli.marking.asked import matches
    from backprop_cli.marking.names import AnswerNames, normalised
    from backprop_cli.worksheet.derivations import known_names
    from backprop_cli.worksheet.sheet import Choices, Sheet

    known: dict[str, None] = {}
    for iteration in run.iterations:
        known.update(dict.fromkeys(known_names(Sheet(run, iteration, Choices()))))
    sheets = [AnswerNames(iteration.graph) for iteration in run.iterations]
    lettering = run.iterations[0].graph.lettering
    shown = {form: name for name in known for form in lettering.spellings(name)}
    found: list[str] = []
    for name in asked:
        fitting = []
        if set("*?") & set(name):
            fitting = [each for each in known if matches(name, each)]
            fitting = fitting or [known for form, known in shown.items() if matches(name, form)]
        if fitting:
            found += fitting
            continue
        written = normalised(name)
        if name not in known and (view := sheets[0].array(name)) is not None:
            found += [e.name for e in view.entries if isinstance(e, Name) and e.name in known]
            continue
        spellings = (
            *(shown.get(name), shown.get(written), name, written),
            *(sheet.find(name) for sheet in sheets),
        )
        plain = next((spelling for spelling in spellings if spelling in known), None)
        plain = plain or between_names(run, sheets[0], written)
        if plain is None:
            meant = " or ".join(map(quote, sheets[0].meant(name)))
            near = f"; did you mean {meant}?" if meant else suggestion(name, known)
            more = (
                f"{near}{'' if near.endswith('?') else ';'} `backprop explain names FILE` has all"
            )
            raise UsageProblem(f"{quote(name)} is not on this worksheet{more}")
        found.append(plain)
    aliases = {alias: name for it in run.iterations for alias, name in it.graph.aliases.items()}
    return tuple(dict.fromkeys(aliases.get(name, name) for name in found))


def between_names(run: Run, names: AnswerNames, written: str) -> str | None:
    """`dyhat/da1`: one calculated quantity by another that it comes from, in the sheet's names."""
    from backprop_cli.formula.quantity import bare, fraction, mark, slope_name
    from backprop_cli.worksheet.derivations import between
    from backprop_cli.worksheet.sheet import Choices, Sheet

    above, below = fraction(written) or ("", "")
    target = names.find(above) or names.find(above + mark(below))
    quantity = names.find(below) or names.find(bare(below))
    if target is None or quantity is None:
        return None
    name = slope_name(target, quantity)
    return name if between(Sheet(run, run.iterations[0], Choices()), name) else None


def curve_range(
    run: Run, text: str | None, only: Sequence[str] = ()
) -> tuple[str, float, float] | None:
    """`x=-5:5` as (name, low, high); `only` are the quantities to draw, all of those by default."""
    if text is None:
        return None
    name, equals, limits = text.partition("=")
    low, colon, high = limits.partition(":")
    leaves = dict.fromkeys(run.iterations[0].graph.leaf)
    try:
        ends = (float(low), float(high)) if equals and colon else None
    except ValueError:
        ends = None
    if ends is None or not all(abs(end) < 1e12 for end in ends) or ends[0] >= ends[1]:
        raise UsageProblem(f"--curve takes NAME=LOW:HIGH, as in x=-5:5, not {quote(text)}")
    if name not in leaves:
        raise UsageProblem(
            f"{quote(name)} is not a given quantity of this worksheet{suggestion(name, leaves)}"
        )
    from backprop_cli.worksheet.curves import MOST_SERIES, PASSES

    steps = run.iterations[0].graph.step
    for each in only:
        if each not in steps or steps[each].section not in PASSES:
            raise UsageProblem(f"--curve draws what is worked out before the update, not {each}")
    if len(only) > MOST_SERIES:
        raise UsageProblem(
            f"--curve draws up to {MOST_SERIES} quantities together, not {len(only)}"
        )
    return (name, *ends)


def rates(text: str) -> list[str]:
    """`0.1,0.5,1` as the learning rates, digits as written."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        written = part.isascii() and "_" not in part and len(part) <= 20
        try:
            good = written and 0 < float(part) < math.inf
        except ValueError:
            good = False
        if not good or len(parts) > MOST_RATES:
            raise UsageProblem(
                f"--lr-sweep takes up to {MOST_RATES} positive numbers, as in 0.1,0.5,1,"
                f" not {quote(text)}"
            )
    return parts
