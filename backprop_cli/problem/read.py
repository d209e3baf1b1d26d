"""From a problem file to a `Problem`, or to everything that is wrong with the file."""

from __future__ import annotations

from pathlib import Path

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span
from backprop_cli.problem.equations import check_updates, read_equations
from backprop_cli.problem.fields import Fields, fields
from backprop_cli.problem.forms import Equations, Network
from backprop_cli.problem.frozen import refuse_both, top_lists
from backprop_cli.problem.model import Problem
from backprop_cli.problem.network import NetworkReader
from backprop_cli.problem.second import read_second
from backprop_cli.problem.settings import (
    check_asked,
    check_parameters,
    read_kinks,
    read_marking,
    read_notation,
    read_rounding,
)
from backprop_cli.problem.source_file import load
from backprop_cli.problem.symbols import check_symbols, differentiated_by
from backprop_cli.problem.training import ReadTraining, read_training
from backprop_cli.problem.values import Report, word
from backprop_cli.problem.variants import read_variants
from backprop_cli.problem.yaml_tree import Entries, Items, Node, compose

COMMON_KEYS = (
    "title",
    "description",
    "samples",
    "learning_rate",
    "training",
    "frozen",
    "trainable",
    "notation",
    "rounding",
    "marking",
    "kinks",
    "variants",
    "with_respect_to",
    "second_derivatives",
    "upstream",
)
LAYER_FORM_KEYS = ("inputs", "targets", "layers", "loss", "bias_input")
EQUATION_FORM_KEYS = (
    "equations",
    "given",
    "parameters",
    "shapes",
    "index",
    "output",
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
    if root is None or not isinstance(root, Entries):
        shape = "a list" if isinstance(root, Items) else "a single value"
        if root is None or (not isinstance(root, Items) and root.null):
            report.error("empty-file", "the file is empty", start, "a problem begins with `title:`")
        else:
            report.error(
                "not-a-mapping",
                f"a problem file is a mapping of keys like `title:` and `layers:`, not {shape}",
                root,
            )
        return None
    present = {key.text for key, _ in root.entries}
    known = (*COMMON_KEYS, *LAYER_FORM_KEYS, *EQUATION_FORM_KEYS)
    offered: tuple[str, ...] = known
    if ("layers" in present) != ("equations" in present):
        form = LAYER_FORM_KEYS if "layers" in present else EQUATION_FORM_KEYS
        offered = (*COMMON_KEYS, *form)
    top = fields(root, report, "a problem file", known, offered)
    layered, equational = "layers" in top.values, "equations" in top.values
    if layered and equational:  # a misspelt key counts only where no other decides
        layered, equational = "layers" in present, "equations" in present
    if layered and equational:
        report.error(
            "both-forms",
            "a problem has `layers` or `equations`, not both",
            top.key("equations"),
            "put them into two files",
        )
        return None
    if not layered and not equational:
        report.error(
            "missing-key",
            "the file has neither `layers` nor `equations`",
            start,
            "a network is described by `layers`, any other calculation by `equations`",
        )
        return None
    _wrong_form(top, layered, report)
    title = top.read("title", lambda node: word(node, report, "`title`"), "Untitled")
    description = top.read("description", lambda node: word(node, report, "`description`"), "")
    notation = read_notation(top)
    rounding = read_rounding(top)
    marking = read_marking(top)
    kinks = read_kinks(top)
    model: Network | Equations | None
    frozen: tuple[str, ...] = ()
    trainable: tuple[str, ...] | None = None
    if layered:
        reader = NetworkReader(top, report)
        training = read_training(top, report, reader.count)
        network = reader.finish(training, notation.notation)
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
        check_parameters(training.named, read.parameters, report)
    check_asked(marking.patterns, names, report)
    second = False
    if model is not None:
        asked, parameters, given = differentiated_by(model, notation.notation)
        second = read_second(top, training, asked, parameters, given, report)
    if model is not None:
        check_symbols(notation, model, training.training, report)
    variants = read_variants(top, model, notation.notation)
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
        notation=notation.notation,
        rounding=rounding,
        marking=marking.marking,
        kinks=kinks,
        path=source.path,
        variants=variants,
        second_derivatives=second,
    )


def _wrong_form(top: Fields, layered: bool, report: Report) -> None:
    """Keys of the other form of problem."""
    others = EQUATION_FORM_KEYS if layered else LAYER_FORM_KEYS
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
            report.error(
                "wrong-form",
                f"`{name}` belongs to problems with `{there}`, and this one has `{here}`",
                place,
                advice.get(name),
            )


def _gradient_rule_only(training: ReadTraining, report: Report) -> None:
    if training.training.rule == "perceptron" and training.section is not None:
        report.error(
            "wrong-form",
            "the perceptron rule is for problems with `layers`",
            training.section.key("rule"),
            "write the update as equations, or the network as layers",
        )
