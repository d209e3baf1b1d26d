"""Symbols of one's own: `notation: {symbols: {yhat: y, y: t}}`, and that each stays unmistakable."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from backprop_cli.diagnostics import quote
from backprop_cli.formula.spelling import Lettering, spell
from backprop_cli.problem.forms import Equations, Network
from backprop_cli.problem.formulas import defined_name, plain_name
from backprop_cli.problem.model import Notation, Training
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.values import Report, entries, word
from backprop_cli.problem.yaml_tree import Node, Scalar


def read_symbols(node: Node, report: Report) -> Mapping[str, str]:
    """What quantities are shown as, by their names (or letters) in files: `{eta: alpha, y: t}`."""
    symbols: dict[str, str] = {}
    for key, value in entries(node, report, "`symbols`", "names and what they are shown as"):
        what = f"the symbol of {quote(key.text)}"
        if not (report.tried(word, value, what) and isinstance(value, Scalar)):
            continue
        shown = defined_name(value, report, "a quantity")
        if shown is not None:
            name = plain_name(key.text.strip())
            symbols[name], report.symbols[name] = shown, key
    return symbols


def check_symbols(
    notation: Notation,
    model: Network | Equations,
    training: Training,
    node: Node | None,
    report: Report,
) -> None:
    """Report symbols of what is not there, and two quantities that would be shown alike.

    What a calculated quantity is called in files must not be shown for another: an answer under
    it could be meant for either. A given one gives way: with `{yhat: y, y: t}` y is the output.
    `node` is where the file has its notation.
    """
    places, numbered = report.symbols, notation.output_units == "numbered"
    if node is None or not (places or numbered):
        return
    if numbered and (isinstance(model, Equations) or notation.names == "sequential"):
        message = "`output_units: numbered` is for layers with indexed names"
        advice = "sequential names number every unit, and equations have names of their own"
        report.error("wrong-form", message, node, advice)
        return
    lettering, given, calculated = _quantities(notation, model, training)
    names = [*given, *calculated]
    letters = {found[1] for name in names if (found := re.match(r"([A-Za-z]+)\d", name))}
    for name, key in places.items():
        if name not in names and name not in letters and name not in ALWAYS:
            report.unknown("`symbols`", name, key, [*names, *sorted(letters)])
    taken = set(calculated)
    shown: dict[object, str] = {}
    for name in names:
        typed = lettering.typed(name)
        stem = re.match(r"[A-Za-z]+", name)
        place = places.get(name) or places.get(stem[0] if stem else "") or node
        for form in (typed, spell(name, lettering)):
            if (other := shown.setdefault(form, name)) != name:
                message = f"{quote(other)} and {quote(name)} would both be shown as {quote(typed)}"
                report.error("shown-alike", message, place, "give each a symbol of its own")
                return
        if typed != name and typed in taken:
            message = (
                f"{quote(name)} would be shown as {quote(typed)}, and that is what another"
                " quantity is called in answer files"
            )
            report.error("shown-alike", message, place, "give it another symbol")
            return


ALWAYS = ("eta", "delta", "L")
"""They have a symbol whether or not this sheet happens to show them."""


def _quantities(
    notation: Notation, model: Network | Equations, training: Training
) -> tuple[Lettering, list[str], list[str]]:
    """How names are written; the names of what is given; those that answers may be about."""
    options = [] if training.optimizer is None else list(training.optimizer.options)
    if isinstance(model, Equations):
        lettering = Lettering(symbols=notation.symbols)
        calculated = dict.fromkeys((*model.equations, *model.with_respect_to, *model.parameters))
        every = dict.fromkeys(("eta", *options, *model.given, *_sampled(model)))
        return lettering, [name for name in every if name not in calculated], list(calculated)
    names = NetworkNames(model, notation)
    given = [*names.input_names, *names.target_names[: model.targets], "eta", *options]
    return names.lettering, given, [*names.parameters(), *names.calculated(), "L"]


def _sampled(model: Equations) -> Collection[str]:
    return dict.fromkeys(name for sample in model.samples for name in sample)


def differentiated_by(
    model: Network | Equations, notation: Notation
) -> tuple[Sequence[str], Sequence[str], Collection[str]]:
    """What a problem is differentiated by; its parameters; what is given."""
    if isinstance(model, Equations):
        parameters = tuple(model.parameters)
        return model.with_respect_to, parameters, {*parameters, *model.given, *_sampled(model)}
    names = NetworkNames(model, notation)
    parameters = names.parameters()
    return model.with_respect_to or parameters, parameters, {*parameters, *names.input_names}
