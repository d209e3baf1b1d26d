"""From a problem file to a `Problem`, or to everything that is wrong with the file."""

from __future__ import annotations

from pathlib import Path

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span
from backprop_cli.problem.array_equations import INDEX_ROW
from backprop_cli.problem.array_values import SHAPES
from backprop_cli.problem.equations import (
    EQUATIONS,
    GIVEN,
    OUTPUT,
    PARAMETERS,
    check_updates,
    read_equations,
)
from backprop_cli.problem.fields import TEXT, Field, Fields, Keys
from backprop_cli.problem.forms import Equations, Network
from backprop_cli.problem.layer_parts import BIAS_INPUT
from backprop_cli.problem.layers import LAYERS
from backprop_cli.problem.model import Problem
from backprop_cli.problem.network import NetworkReader
from backprop_cli.problem.rule_use import LOSS
from backprop_cli.problem.samples import INPUTS, SAMPLES, TARGETS
from backprop_cli.problem.settings import (
    FROZEN,
    KINKS,
    MARKING,
    NOTATION,
    ROUNDING,
    TRAINABLE,
    WITH_RESPECT_TO,
    check_asked,
    check_parameters,
    refuse_both,
    top_lists,
)
from backprop_cli.problem.source_file import load
from backprop_cli.problem.symbols import check_symbols, differentiated_by
from backprop_cli.problem.training import (
    LEARNING_RATE,
    SECOND,
    TRAINING,
    ReadTraining,
    read_second,
    read_training,
)
from backprop_cli.problem.upstream import GRADIENTS
from backprop_cli.problem.values import Report, sort_of
from backprop_cli.problem.variants import VARIANTS, read_variants
from backprop_cli.problem.yaml_syntax import colon_meant
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar, compose

TITLE = Field("title", TEXT, "Untitled", "The heading of the sheet.")
DESCRIPTION = Field("description", TEXT, "", "A sentence below it.")
LAYER_FORM = Keys(
    "A network with layers.", *(LAYERS, INPUTS, TARGETS, LOSS, BIAS_INPUT), required=[LAYERS]
)
EQUATION_FORM = Keys(
    "Any calculation as equations.",
    *(EQUATIONS, GIVEN, PARAMETERS, OUTPUT, SHAPES, INDEX_ROW),
    required=[EQUATIONS],
)
BOTH_FORMS = Keys(
    "Keys of either form.",
    *(TITLE, DESCRIPTION, SAMPLES, GRADIENTS, WITH_RESPECT_TO, SECOND),
    *(LEARNING_RATE, TRAINING, FROZEN, TRAINABLE),
    *(NOTATION, ROUNDING, KINKS, MARKING, VARIANTS),
)
PROBLEM = Keys(
    "A network with layers, or any calculation as equations.",
    *(*BOTH_FORMS.rows, *LAYER_FORM.rows, *EQUATION_FORM.rows),
)


def read_problem(path: str | Path, text: str | None = None) -> Problem:
    """The problem in a file (`-` is standard input), or in `text` said to be that file.

    Raises ProblemError with every mistake in it. Warnings are dropped: see `read`.
    """
    return read(path, text)[0]


def read(path: str | Path, text: str | None = None) -> tuple[Problem, list[Diagnostic]]:
    """The problem and the warnings about it. Raises ProblemError, warnings included."""
    source = load(path) if text is None else Source(str(path), text)
    root, problems = compose(source)
    report = Report(problems)
    problem = None if root is None and problems else _problem(source, root, report)
    diagnostics = report.in_order()
    if report.failed or problem is None:
        raise ProblemError(diagnostics)
    return problem, diagnostics


def _problem(source: Source, root: Node | None, report: Report) -> Problem | None:
    start = Span(source, 0, 1)
    if root is None or (isinstance(root, Scalar) and root.null):
        report.error("empty-file", "the file is empty", start, "a problem begins with `title:`")
        return None
    if not isinstance(root, Entries):
        like = "a mapping of keys like `title:` and `layers:`"
        message = f"a problem file is {like}, not {sort_of(root)}"
        colon = colon_meant(source.text, root.span.start or 0)
        report.error("not-a-mapping", message, root, None if colon is None else colon[2])
        return None
    present = {key.text for key, _ in root.entries}
    offered = PROBLEM.names
    if ("layers" in present) != ("equations" in present):
        form = LAYER_FORM if "layers" in present else EQUATION_FORM
        offered = (*BOTH_FORMS.names, *form.names)
    top = PROBLEM.of(root, report, "a problem file", offered)
    layered, equational = "layers" in top.values, "equations" in top.values
    if layered and equational:  # a misspelt key counts only where no other decides
        layered, equational = "layers" in present, "equations" in present
    if layered and equational:
        message = "a problem has `layers` or `equations`, not both"
        report.error("both-forms", message, top.key("equations"), "put them into two files")
        return None
    if not layered and not equational:
        help = "a network is described by `layers`, any other calculation by `equations`"
        report.error("missing-key", "the file has neither `layers` nor `equations`", start, help)
        return None
    _wrong_form(top, layered, report)
    title, description = top[TITLE], top[DESCRIPTION]
    notation, rounding, marking, kinks = top[NOTATION], top[ROUNDING], top[MARKING], top[KINKS]
    model: Network | Equations | None
    frozen: tuple[str, ...] = ()
    trainable: tuple[str, ...] | None = None
    if layered:
        reader = NetworkReader(top, report)
        training = read_training(top, report, reader.count)
        network = reader.finish(training, notation)
        model, names = network.model, network.names
        frozen, trainable = network.frozen, network.trainable
    else:
        read = read_equations(top, report)
        training = read_training(top, report, read.samples)
        _gradient_rule_only(training, report)
        check_updates(read, training, top, report)
        model, names = read.model, tuple(read.places)
        frozen, trainable = top_lists(top, read.parameters, report, read.arrays)
        refuse_both(frozen, trainable, top, report)
        check_parameters(read.parameters, report)
    check_asked(names, report)
    second = False
    if model is not None:
        asked, parameters, given = differentiated_by(model, notation)
        second = read_second(top, training, asked, parameters, given, report)
        check_symbols(notation, model, training.training, top.get("notation"), report)
    variants = read_variants(top, model, notation, training.learning_rate)
    if model is None or report.failed:
        return None
    return Problem(
        title=" ".join(title.split()),
        model=model,
        learning_rate=training.learning_rate,
        description=description.strip(),
        training=training.training,
        trains=training.trains,
        frozen=frozen,
        trainable=trainable,
        notation=notation,
        rounding=rounding,
        marking=marking,
        kinks=kinks,
        path=source.path,
        variants=variants,
        second_derivatives=second,
    )


def _wrong_form(top: Fields, layered: bool, report: Report) -> None:
    """Keys of the other form of problem."""
    others = EQUATION_FORM.names if layered else LAYER_FORM.names
    here, there = ("layers", "equations") if layered else ("equations", "layers")
    advice = {
        "loss": "the loss is an equation too, usually the last one: L: (y - yhat)^2",
        "inputs": "write `given: {x: 1}`",
        "targets": "targets are given too: `given: {y: 1}`",
        "given": "write `inputs: […]` and `targets: […]`",
        "parameters": "weights and biases stand in the layers",
    }
    for name in others:
        if name in top.values and (place := top.keys[name]).text == name:
            message = f"`{name}` belongs to problems with `{there}`, and this one has `{here}`"
            report.error("wrong-form", message, place, advice.get(name))


def _gradient_rule_only(training: ReadTraining, report: Report) -> None:
    if training.training.correction is not None and training.section is not None:
        message = "the perceptron rule is for problems with `layers`"
        help = "write the update as equations, or the network as layers"
        report.error("wrong-form", message, training.section.key("rule"), help)
