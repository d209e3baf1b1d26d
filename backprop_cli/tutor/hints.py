"""Three hints for any step, from the step itself: where to look, which rule, which numbers. On a
sheet without numbers the rule is told in words, and then what it is made of.

None of them holds the value that is asked for. A number that happens to be the same keeps its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from backprop_cli.formula.build import names_in, substitute
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import (
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.views import names_of
from backprop_cli.worksheet.array_sheet import sentence
from backprop_cli.worksheet.document import (
    Block,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
    together,
)
from backprop_cli.worksheet.reasons import Reasons
from backprop_cli.worksheet.sheet import Sheet

LAST = 3
MOST_LINES = 8
"""So many unwritten quantities on the way are explained; the rest are only named."""
ALIKE = 0.01
"""A number within this share of the value asked for would give it away."""


def hint(
    sheet: Sheet, step: Step, level: int, known: Mapping[str, str], array: str | None = None
) -> Iterator[Block]:
    """The hint of a level from 1 to `LAST`. `known` are the student's own numbers by name, as
    decimals, empty where only a formula was written; what is given is known too. Where an `array`
    is asked for, the rule is that of the array, and `step` is the entry that is worked out."""
    whole = {} if array is None else _array_rules(sheet, array, known)
    rule = whole.get(array or "") if level < LAST else None
    if level <= 1:
        left = step.name if array is None or rule is None else array
        yield Paragraph(_where_to_look(Name(left), names_in(rule or step.formula)))
        return
    if rule is not None:
        for name, own in whole.items():
            yield Paragraph((Relation(Name(name), "=", sheet.notation.letters(own)),))
        return
    if sheet.value(step.name) is None:  # the rule would be the answer
        if level == 2:
            yield from why(sheet, step)
        else:
            yield Paragraph(_built(step.formula))
        return
    lines = [*_unwritten(sheet.graph, step, known), step]
    if level == 2:
        for each in lines:
            yield Paragraph((Relation(Name(each.name), "=", each.formula),))
        return
    put_in = _numbers(sheet, step, known)
    for each in lines:
        # A number alone is the answer itself, or what it is called elsewhere.
        bare = isinstance(each.formula, Name | Negative)
        formula = each.formula if bare else substitute(each.formula, put_in(each.formula))
        behind = (Text(": the number that you have for that."),) if bare else ()
        before = (Text("One entry: "),) if array is not None and each is step else ()
        yield Paragraph((*before, Relation(Name(each.name), "=", formula), *behind))


def _array_rules(sheet: Sheet, array: str, known: Mapping[str, str]) -> dict[str, Formula]:
    """How an array follows from others, and what of these has not been written yet, in order of
    calculation; nothing for an array that follows no rule."""
    gradients = {each.name: each for each in sheet.array_rules.gradients}
    found: dict[str, Formula] = {}
    waiting = [array]
    for name in waiting:
        if name in gradients:
            view, rule = gradients[name].view, gradients[name].short or gradients[name].formula
        elif (own := sheet.array_rules.views.get(name)) is not None:
            view, rule = own, own.equation
        else:
            continue
        there = all(each in known or each in sheet.graph.leaf for each in names_of(view))
        if rule is not None and (name == array or not there) and len(found) < MOST_LINES:
            found[name] = rule
            waiting += [each for each in names_in(rule) if each not in waiting]
    return {name: found[name] for name in (*sheet.array_rules.views, *gradients) if name in found}


def _where_to_look(left: Name, names: Sequence[str]) -> Line:
    if not names:
        return (Text("It depends on nothing on this sheet: look whether the loss uses it at all."),)
    return (Math(left), Text(" depends on "), *together(names), Text("."))


def _built(formula: Formula) -> Line:
    """What a formula is made of, without all of it."""
    match formula:
        case Sum(terms):
            return (Text(f"It is a sum of {len(terms)} terms; one is "), Math(terms[0]), Text("."))
        case Product(factors):
            many = f"It is a product of {len(factors)} factors; one is "
            return (Text(many), Math(factors[0]), Text("."))
        case Quotient(_, below):
            return (Text("It is a fraction; below stands "), Math(below), Text("."))
        case Negative(operand):
            return (Text("It has a minus sign in front. "), *_built(operand))
        case Power(_, exponent):
            return (Text("It is a power with the exponent "), Math(exponent), Text("."))
        case Name() | Number():
            return (Text("It is one quantity of the sheet, as it stands."),)
        case _:
            return (Text("It is one function, of what it depends on."),)


def _unwritten(graph: Graph, step: Step, known: Mapping[str, str]) -> list[Step]:
    """The steps on the way that the student has no number for, in order of calculation."""
    found: dict[str, Step] = {}
    waiting = [step]
    while waiting and len(found) < MOST_LINES:
        for name in names_in(waiting.pop(0).formula):
            parent = graph.step.get(name)
            if parent is not None and name not in known and name not in found:
                found[name] = parent
                waiting.append(parent)
    return sorted(found.values(), key=lambda each: graph.place[each.name])


def _numbers(
    sheet: Sheet, step: Step, known: Mapping[str, str]
) -> Callable[[Formula], Mapping[str, Formula]]:
    asked_for = sheet.value(step.name)

    def gives_away(value: float) -> bool:
        return asked_for is not None and _alike(value, as_float(asked_for))

    def number(name: str) -> Formula:
        text, value = known.get(name), sheet.value(name)
        if text is not None:
            if not text or gives_away(float(text)):
                return Name(name)
            return Negative(Number(text[1:])) if text.startswith("-") else Number(text)
        if name not in sheet.graph.leaf or value is None or gives_away(as_float(value)):
            return Name(name)
        return sheet.number(name)

    return lambda formula: {name: number(name) for name in names_in(formula)}


def _alike(one: float, other: float) -> bool:
    return abs(abs(one) - abs(other)) <= ALIKE * abs(other)


WHY = {
    "preactivation": "A unit adds up what comes in, each input times its weight, and then the bias.",
    "normalisation": "Over the batch the unit is shifted to mean 0 and scaled to variance 1.",
    "handed_on": "What a unit hands on is its output with what is added, or what dropout leaves.",
    "activation": "The activation function is applied to the unit's own z.",
    "equation": "It is defined so; the numbers go in one by one.",
    "loss": "The loss says how far the output is from the target.",
    "batch_loss": "The loss of a batch is made of the losses of its samples.",
    "slope": "The local derivative says how much the one moves when the other does.",
    "upstream": "The chain rule: what comes back from each use, times the local derivative on the way.",
    "gradient": "The chain rule: the gradient of what it goes into, times what it is multiplied by there.",
    "batch_gradient": "The gradient of a batch is made of those of its samples.",
    "second": "The gradient changes as well, and its slope is the second derivative.",
    "penalty": "The gradient is what the rule of this sheet makes of it before the update.",
    "state": "The optimizer carries this from update to update.",
    "update": "The parameter moves against its gradient, by the learning rate times the gradient.",
}


def why(sheet: Sheet, step: Step, array: str | None = None) -> Iterator[Block]:
    """The reason for a step, in a sentence; at what the sheet itself says of it, the sheet's."""
    said: list[Block] = [
        Paragraph(sentence(reason))
        for gradient in (() if array is None else sheet.array_rules.gradients)
        if gradient.name == array
        for reason in gradient.reasons
    ]
    said = said or list(Reasons(sheet).of((step,)))
    if said:
        yield from said
    else:
        yield Paragraph((Text(WHY.get(step.kind, WHY["equation"])),))
