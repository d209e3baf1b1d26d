"""What each known slip would have made of a step: variants of its definition.

Slips are generated from the structure of a step (its terms, factors, paths and operands), so that
a new rule or wiring needs nothing here. Each variant has a rank: where several explain an answer,
the simplest is named.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import plain
from backprop_cli.formula.build import (
    children,
    names_in,
    negative,
    product,
    quotient,
    rebuild,
    rename,
    size,
    substitute,
    total,
)
from backprop_cli.formula.nodes import (
    Call,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.formula.quantity import fraction
from backprop_cli.graph.step import Graph, Kind, Step
from backprop_cli.marking.compiled import Functions, compile_all
from backprop_cli.marking.model import Code, Mistake
from backprop_cli.marking.sheet import Node, Structure
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.kinks import EXTREMES

if TYPE_CHECKING:
    from backprop_cli.marking.array_slips import ArraySlips

LARGEST_FORMULA = 400  # nodes; longer ones are searched only for slips of the whole
MOST_VARIANTS = 400
TWO = Number("2")
TRANSPOSED = "transposed"
NATURAL = ("ln", "log")
LAYERWISE = frozenset(row.name for row in ACTIVATIONS.values() if row.layerwise)

RANK: dict[Code, float] = {
    "sign-flipped": 1,
    "ascent": 1,
    "missing-bias": 1,
    "missing-activation": 1,
    "missing-activation-derivative": 2,
    "missing-learning-rate": 2,
    "loss-constant": 2,
    "sum-not-mean": 1,
    "mean-not-sum": 1,
    "decimal-slip": 3.5,
    "softmax-diagonal": 1.5,
    "transposed": 1.5,
    "matrix-order": 2,
    "missing-sum": 2,
    "missing-scale": 2,
    "kernel-flipped": 2,
    "wrong-window": 3,
    "shape": 0,
    "other-rule": 2,
    "log-base": 2,
    "misread-given": 3,
    "stale-parameters": 3,
    "row-shift": 3,
    "values-exchanged": 3,
    "formula-right": 0,
    "missing-path": 3,
    "missing-factor": 3,
    "mistyped": 3.6,  # one of dozens of numbers: a point moved or a term left out is one of few
    "derivative-at-wrong-point": 4,
    "used-updated-weights": 4,
    "wrong-activation": 5,
    "extra-factor": 6,
    "wrong-operand": 7,
}


class Idea(NamedTuple):
    """What a slip is, wherever it is made: its code, and the role of what was changed."""

    code: Code
    role: str = ""


class Variant(NamedTuple):
    """A step's definition with one slip in it."""

    mistake: Mistake
    rank: float
    formula: Formula
    idea: Idea | None  # None for what is no way of working
    flat: tuple[float, ...] = ()  # what it comes to wherever an activation is flat


class Made(NamedTuple):
    """The variants of one step, one function with all their values, the earlier slots it needs."""

    variants: Sequence[Variant]
    functions: Functions
    needs: tuple[int, ...]


EditKind: TypeAlias = Literal[
    "term", "flip", "factor", "denominator", "power", "function", "sign", "branch"
]


class Edit(NamedTuple):
    """One thing left out or turned round: which part of what it was, and the formula without it."""

    kind: EditKind
    part: Formula
    formula: Formula
    whole: Formula


def edits(formula: Formula) -> Iterator[Edit]:
    """Everything that can be left out of a formula or turned round in it, one at a time."""
    match formula:
        case Sum(terms):
            for index, term in enumerate(terms):
                rest = (*terms[:index], *terms[index + 1 :])
                yield Edit("term", term, total(*rest), formula)
                turned = (*terms[:index], negative(term), *terms[index + 1 :])
                yield Edit("flip", term, Sum(turned), formula)
        case Product(factors):
            for index, factor in enumerate(factors):
                yield Edit(
                    "factor", factor, product(*factors[:index], *factors[index + 1 :]), formula
                )
        case Quotient(numerator, denominator):
            yield Edit("denominator", denominator, numerator, formula)
        case Power(base, _):
            yield Edit("power", formula, base, formula)
            if isinstance(base, Sum):
                yield Edit("power", formula, negative(base), formula)
        case Call(_, (argument,)):
            yield Edit("function", formula, argument, formula)
        case Negative(operand):
            yield Edit("sign", operand, operand, formula)
        case Conditional(_, then, otherwise):
            yield Edit("branch", then, otherwise, formula)
            yield Edit("branch", otherwise, then, formula)
        case _:
            pass
    for index, child in enumerate(_parts(formula)):
        for edit in edits(child):
            yield edit._replace(formula=_with_part(formula, index, edit.formula))


def _parts(formula: Formula) -> Sequence[Formula]:
    """The parts that are worth looking into: not the condition of a case."""
    if isinstance(formula, Conditional):
        return (formula.then, formula.otherwise)
    return children(formula)


def _with_part(formula: Formula, place: int, part: Formula) -> Formula:
    match formula:
        case Sum(terms):
            return total(*terms[:place], part, *terms[place + 1 :])
        case Product(factors):
            return product(*factors[:place], part, *factors[place + 1 :])
        case Quotient(numerator, denominator):
            return quotient(part, denominator) if place == 0 else quotient(numerator, part)
        case Negative():
            return negative(part)
        case Power(base, exponent):
            return Power(part, exponent) if place == 0 else Power(base, part)
        case Call(function, arguments):
            return Call(function, (*arguments[:place], part, *arguments[place + 1 :]))
        case Conditional(condition, then, otherwise):
            return Conditional(
                condition, part if place == 0 else then, part if place else otherwise
            )
        case _:
            return formula


@dataclass(frozen=True)
class Slips:
    """The slips of every step of a sheet, made when they are first needed."""

    structure: Structure

    def __post_init__(self) -> None:
        self.__dict__["_made"] = {}

    def of(self, node: Node) -> Made:
        """The variants of a step, the simplest first, and one function with all their values."""
        made: dict[int, Made] = self.__dict__["_made"]
        if node.slot not in made:
            slots = self.structure.slots
            variants = tuple(self.variants(node))
            functions = compile_all([each.formula for each in variants], slots)
            needs = {slots[name] for each in variants for name in names_in(each.formula)}
            earlier = tuple(sorted(slot for slot in needs if slot < node.slot))
            made[node.slot] = Made(variants, functions, earlier)
        return made[node.slot]

    @cached_property
    def transposed(self) -> dict[str, str]:
        """For each weight its mirror image in the weight matrix of its layer, where there is one."""
        found: dict[str, str] = {}
        for rows in self.rows.values():
            matrix = [[weight for weight, _ in row] for row in rows]
            for j, row in enumerate(matrix):
                for i, weight in enumerate(row):
                    if i != j and i < len(matrix) and j < len(matrix[i]):
                        found[weight] = matrix[i][j]
        return found

    @cached_property
    def rows(self) -> dict[int, list[list[tuple[str, str]]]]:
        """By layer, each unit's (weight, what it multiplies), in writing order."""
        found: dict[int, list[list[tuple[str, str]]]] = {}
        for step in self.structure.graph.section("forward"):
            if (layer := self.layer.get(step.name)) is not None:
                found.setdefault(layer, []).append(self._pairs(step))
        return found

    @cached_property
    def layer(self) -> dict[str, int]:
        """Which weighted sums are units of one layer, by a number for each: those of a sample that
        weigh something in common."""
        found: dict[str, int] = {}
        weighed: dict[tuple[str, int | None], int] = {}
        for place, step in enumerate(self.structure.graph.section("forward")):
            sources = [(source, step.sample) for _, source in self._pairs(step)]
            if sources:
                layer = next((weighed[each] for each in sources if each in weighed), place)
                weighed |= dict.fromkeys(sources, layer)
                found[step.name] = layer
        return found

    def _pairs(self, step: Step) -> list[tuple[str, str]]:
        return [pair for term in terms_of(step.formula) if (pair := self._pair(term))]

    def _pair(self, term: Formula) -> tuple[str, str] | None:
        match term:
            case Product((Name(weight), Name(source))) if self._is_parameter(weight):
                return weight, source
            case _:
                return None

    def _is_parameter(self, name: str) -> bool:
        leaf = self.structure.graph.leaf.get(name)
        return leaf is not None and leaf.kind == "parameter"

    # The variants of one step

    def variants(self, node: Node) -> Iterator[Variant]:
        """The definitions of a step with one slip in them, the simplest first."""
        seen: set[Formula] = set(node.formulas)
        count = 0
        for variant in sorted(self._all(node), key=lambda each: each.rank):
            if variant.formula in seen:
                continue
            if not all(name in self.structure.slots for name in names_in(variant.formula)):
                continue
            seen.add(variant.formula)
            count += 1
            if count > MOST_VARIANTS:
                return
            yield variant

    def _all(self, node: Node) -> Iterator[Variant]:
        step = node.step
        for formula in node.formulas:
            yield from self._of_the_whole(step, formula)
            if size(formula) <= LARGEST_FORMULA:
                for edit in edits(formula):
                    variant = self._of_edit(step, edit)
                    if variant is not None:
                        yield variant
        yield from self._in_every_term(step)
        yield from self._of_operands(step)
        if step.section == "forward":
            yield from self._of_activation(step)
        if step.kind == "slope":
            yield from self._of_slope(step)
        yield from self._of_updated_weights(step)
        yield from self._of_softmax(step)
        yield from self._of_squares(step)
        yield from self._of_logarithms(step)
        if step.kind == "state":
            yield from self._of_rule(step)
        if self.arrays is not None:
            for slip in self.arrays.of(step):
                yield _variant(slip.code, slip.message, slip.formula, role=slip.role)

    @cached_property
    def arrays(self) -> ArraySlips | None:
        """Slips with whole arrays, where there are any."""
        graph = self.structure.graph
        if not any(view.equation is not None for view in graph.arrays):
            return None
        draw = Random(0)
        row = [
            draw.uniform(0.3, 1.7) if leaf.value is None else float(leaf.value)
            for leaf in graph.leaves
        ]
        row += [math.nan] * len(self.structure.steps)
        for node in self.structure.steps:
            row[node.slot] = node.function(row)
        from backprop_cli.marking.array_slips import ArraySlips  # most sheets have no arrays

        return ArraySlips(graph, dict(zip(self.structure.names, row, strict=True)))

    def _of_softmax(self, step: Step) -> Iterator[Variant]:
        """Of the paths through a layer that is normalised as a whole, only the unit's own."""
        steps = self.structure.graph.step
        for link in step.links:
            child = steps.get(link.child)
            if link.slope is None or link.upstream is None or child is None or len(step.links) < 2:
                continue
            if step.unit is not None and child.unit == step.unit and child.rule in LAYERWISE:
                message = f"only the path through {link.child} was taken; every output depends on {step.of}"
                own = product(Name(link.upstream), Name(link.slope))
                yield _variant("softmax-diagonal", message, own)

    def _of_squares(self, step: Step) -> Iterator[Variant]:
        """The 2 of a square left out of its slope, as of a penalty: 0.05·w for 0.1·w."""
        if step.kind != "slope" or not isinstance(step.formula, Product):
            return
        if any(isinstance(factor, Number) for factor in step.formula.factors):
            message = f"a factor 2 was left out of {_text(step.formula)}"
            yield _variant("missing-factor", message, Quotient(step.formula, TWO), role="square")

    def _of_logarithms(self, step: Step) -> Iterator[Variant]:
        if step.section not in ("forward", "loss"):
            return
        if not any(
            isinstance(part, Call) and part.function in NATURAL for part in _walk(step.formula)
        ):
            return
        for base in ("10", "2"):
            message = f"the logarithm to base {base} was taken; this sheet's is the natural one"
            other = _with_base(step.formula, Number(base))
            yield _variant("log-base", message, other, role=base)

    def _of_rule(self, step: Step) -> Iterator[Variant]:
        """v = μv + (1 − μ)g where the rule is v = μv + g."""
        terms = terms_of(step.formula)
        for index, term in enumerate(terms):
            match term:
                case Product((Name(share), Name(old))) if old in self.structure.graph.carried:
                    rest = total(*terms[:index], *terms[index + 1 :])
                    weighted = product(Sum((Number("1"), Negative(Name(share)))), rest)
                    message = (
                        f"(1 - {share}) was put in front of the gradient; this rule adds all of it"
                    )
                    yield _variant("other-rule", message, total(term, weighted))

    def _of_the_whole(self, step: Step, formula: Formula) -> Iterator[Variant]:
        # From 0 a step the wrong way is also the new value with the wrong sign: name the step.
        later = 0.25 if step.kind == "update" else 0.0
        yield _variant(
            "sign-flipped", "the sign is the wrong way round", negative(formula), later, _side(step)
        )
        if self._concerns_loss(step):
            yield from self._loss_constants(step, formula)
        count = len(self.structure.graph.batch)
        if step.kind in ("batch_loss", "batch_gradient") and count > 1:
            number = Number(str(count))
            if isinstance(step.formula, Quotient):
                message = (
                    f"the sum over the {count} samples was taken; the mean divides it by {count}"
                )
                yield _variant("sum-not-mean", message, product(number, formula))
                if count > 2:
                    less = Quotient(number, Number(str(count - 1)))
                    message = f"the sum over the {count} samples was divided by {count - 1}"
                    unlike = product(less, formula)
                    yield _variant("sum-not-mean", message, unlike, role="one less")
            else:
                message = f"the mean over the {count} samples was taken, not their sum"
                yield _variant("mean-not-sum", message, Quotient(formula, number))

    def _concerns_loss(self, step: Step) -> bool:
        """Whether the constants of the loss appear here: the loss itself and ∂L/∂ŷ."""
        graph = self.structure.graph
        if step.name in graph.own_losses or step.kind == "loss":
            return True
        return any(link.upstream is None and link.child in graph.own_losses for link in step.links)

    def _loss_constants(self, step: Step, formula: Formula) -> Iterator[Variant]:
        graph = self.structure.graph
        constants: dict[str, Formula] = {}
        squared = False
        for name in (step.name, *graph.losses):
            at = graph.step.get(name)
            if at is None or (name != step.name and at.sample != step.sample):
                continue
            for part in _walk(at.formula):
                if isinstance(part, Power):
                    squared = True
                if (
                    isinstance(part, Number)
                    and part.value not in (0, 1)
                    and part.value == int(part.value)
                ):
                    constants[part.text] = part
        if not squared and not constants:
            return
        constants.setdefault("2", TWO)
        for text, constant in constants.items():
            message = f"a factor {text} or 1/{text} of the loss was dropped or doubled"
            yield _variant("loss-constant", message, product(constant, formula), role="more")
            yield _variant("loss-constant", message, Quotient(formula, constant), role="less")

    def _of_edit(self, step: Step, edit: Edit) -> Variant | None:
        match edit.kind:
            case "term":
                return self._left_out_term(step, edit)
            case "flip":
                return self._turned_term(step, edit)
            case "factor":
                return self._left_out_factor(step, edit)
            case "denominator":
                return self._left_out_denominator(step, edit)
            case "power":
                message = f"{_text(edit.part)} was taken without its exponent"
                return _variant(
                    "missing-factor", message, edit.formula, role=f"{_side(step)} power"
                )
            case "function":
                return self._left_out_function(step, edit)
            case "sign":
                message = f"the minus sign in front of {_text(edit.part)} was left out"
                role = f"{_side(step)} {_place(step.formula, edit.part)}"
                return _variant("sign-flipped", message, edit.formula, 0.5, role)
            case "branch":
                return None

    def _left_out_term(self, step: Step, edit: Edit) -> Variant:
        text = _text(edit.part)
        if step.kind == "update":
            if names_in(edit.part) == (step.of,):
                message = f"only the change was given; it is added to the old value {step.of}"
                return _variant("missing-path", message, edit.formula, role="change")
            message = f"{text} was left out, so nothing changed"
            return _variant("missing-path", message, edit.formula)._replace(idea=None)
        if step.section == "forward" and self._is_bias(edit.part):
            return _variant("missing-bias", f"the bias {text} was left out", edit.formula)
        if step.links:
            for link in step.links:
                if link.upstream is not None and link.upstream in names_in(edit.part):
                    message = f"the path through {link.child} was left out of the sum"
                    role = f"path {_place(edit.whole, edit.part)}"
                    return _variant("missing-path", message, edit.formula, role=role)
        message = f"the term {text} was left out of the sum"
        role = f"{_side(step)} {_place(edit.whole, edit.part)}"
        return _variant("missing-path", message, edit.formula, role=role)

    def _is_bias(self, term: Formula) -> bool:
        names = names_in(term)
        return len(names) == 1 and self._is_parameter(names[0])

    def _turned_term(self, step: Step, edit: Edit) -> Variant:
        if step.kind == "update" and names_in(edit.part) != (step.of,):
            if not self.structure.graph.ascends and isinstance(edit.part, Negative):
                message = "the gradient was added; descent subtracts it"
                return _variant("ascent", message, edit.formula)
            if self.structure.graph.ascends and not isinstance(edit.part, Negative):
                message = "the gradient was subtracted; ascent adds it"
                return _variant("sign-flipped", message, edit.formula)
        message = f"the sign of {_text(edit.part)} is the wrong way round"
        role = f"{_side(step)} {_place(edit.whole, edit.part)}"
        return _variant("sign-flipped", message, edit.formula, 0.5, role)

    def _left_out_factor(self, step: Step, edit: Edit) -> Variant:
        text, part = _text(edit.part), edit.part
        if self._is_activation_slope(part):
            message = f"the slope of the activation, {text}, was left out"
            return _variant("missing-activation-derivative", message, edit.formula)
        if step.section == "update" and isinstance(part, Name) and part.name.rstrip("_") == "eta":
            message = "the learning rate eta was left out"
            return _variant("missing-learning-rate", message, edit.formula)
        if isinstance(part, Number | Quotient) and not names_in(part):
            if step.kind in ("batch_loss", "batch_gradient"):
                return _variant(
                    "sum-not-mean", f"the factor {text} of the mean was left out", edit.formula
                )
            if self._concerns_loss(step):
                message = f"the factor {text} of the loss was left out"
                return _variant("loss-constant", message, edit.formula, role=_change(part))
        if self.arrays is not None and not names_in(part):
            message = f"the factor {text} was left out"
            return _variant("missing-scale", message, edit.formula)
        if isinstance(part, Name) and _is_gate(self._slope_of(part)):
            message = f"{text} was taken for 1"  # as simple as to leave out an activation's slope
            return _variant("missing-factor", message, edit.formula, -1, "slope")
        message = f"the factor {text} was left out"
        weight = isinstance(part, Name) and self._is_parameter(part.name)
        role = f"{_side(step)} {'weight' if weight else _place(edit.whole, part)}"
        return _variant("missing-factor", message, edit.formula, role=role)

    def _in_every_term(self, step: Step) -> Iterator[Variant]:
        """The same factor left out of every path."""
        wholes = [term for term in terms_of(step.formula) if isinstance(term, Product)]
        terms = [term.factors for term in wholes]
        if len(step.links) < 2 or len(terms) < len(step.links) or len({*map(len, terms)}) > 1:
            return
        for place, parts in enumerate(zip(*terms, strict=True)):
            rest = total(*(product(*each[:place], *each[place + 1 :]) for each in terms))
            made = self._left_out_factor(step, Edit("factor", parts[0], rest, wholes[0]))
            texts = ", ".join(dict.fromkeys(map(_text, parts)))
            mistake = Mistake(made.mistake.code, f"of every path a factor was left out: {texts}")
            yield made._replace(mistake=mistake, rank=made.rank - 0.25)

    def _left_out_denominator(self, step: Step, edit: Edit) -> Variant:
        text = _text(edit.part)
        if isinstance(edit.part, Number):
            if step.kind in ("batch_loss", "batch_gradient"):
                message = f"the sum over the samples was taken; the mean divides it by {text}"
                return _variant("sum-not-mean", message, edit.formula)
            if self._concerns_loss(step):
                message = f"the factor 1/{text} of the loss was left out"
                return _variant("loss-constant", message, edit.formula, role="more")
        message = f"the division by {text} was left out"
        if self.arrays is not None and not names_in(edit.part):
            return _variant("missing-scale", message, edit.formula)
        return _variant("missing-factor", message, edit.formula, role=f"{_side(step)} below")

    def _left_out_function(self, step: Step, edit: Edit) -> Variant | None:
        assert isinstance(edit.part, Call)
        function = edit.part.function
        if function in ACTIVATIONS and step.section == "forward":
            title = ACTIVATIONS[function].title
            message = f"the activation {title} was not applied"
            return _variant("missing-activation", message, edit.formula)
        if function.endswith("'"):
            return None
        return _variant("missing-factor", f"{function} was left out", edit.formula, role=function)

    def _is_activation_slope(self, part: Formula) -> bool:
        if isinstance(part, Call):
            return part.function.endswith("'")
        if not isinstance(part, Name):
            return False
        child = self._slope_of(part)
        if child is None or _is_gate(child):
            return False
        return child.rule is not None or child.kind in ("activation", "equation")

    def _slope_of(self, name: Name) -> Step | None:
        """What a local derivative is one of."""
        steps = self.structure.graph.step
        step = steps.get(name.name)
        return steps.get(step.of or "") if step is not None and step.kind == "slope" else None

    def _of_operands(self, step: Step) -> Iterator[Variant]:
        """Whole rows exchanged: the transposed weights, or another unit's weights."""
        names = names_in(step.formula)
        mirrored = {name: self.transposed[name] for name in names if name in self.transposed}
        if mirrored:
            message = "the weights were taken with their two indices exchanged"
            renamed = rename(step.formula, lambda name: mirrored.get(name, name))
            yield _variant("wrong-operand", message, renamed, -0.5, TRANSPOSED)
        own = self._pairs(step)
        for row in self.rows.get(self.layer.get(step.name, -1), ()):
            if len(own) < 2 or len(row) != len(own) or row == own:
                continue
            exchanged = {mine[0]: other[0] for mine, other in zip(own, row, strict=True)}
            message = (
                f"the weights of another unit were used: {row[0][0]} and so on, for {own[0][0]}"
            )
            renamed = rename(step.formula, lambda name, e=exchanged: e.get(name, name))  # type: ignore[misc]
            yield _variant("wrong-operand", message, renamed, -0.25, f"{own[0][0]}>{row[0][0]}")

    def _of_activation(self, step: Step) -> Iterator[Variant]:
        argument = self._argument(step)
        if argument is None:
            return
        if step.rule != "identity":
            message = f"{_text(argument)} itself was given, without the activation"
            yield _variant("missing-activation", message, argument)
        for row in ACTIVATIONS.values():
            if row.layerwise or row.name in (step.rule, "identity"):
                continue
            message = f"another activation was applied ({row.title})"
            later = 0 if row.learns else 0.5
            made = _variant("wrong-activation", message, row.call(argument), later, row.name)
            ends = tuple(float(end.value) for end in (row.low, row.high) if end is not None)
            yield made._replace(flat=ends)

    def _argument(self, step: Step) -> Formula | None:
        """The z of an activation step."""
        match step.formula:
            case Call(function, arguments) if function in ACTIVATIONS:
                return arguments[0]
            case Name() if step.rule == "identity":
                return step.formula
            case _:
                return step.applied.argument if step.applied and step.applied.joint else None

    def _of_slope(self, step: Step) -> Iterator[Variant]:
        child = self.structure.graph.step.get(step.of or "")
        if child is None:
            return
        argument = self._argument(child)
        a = Name(child.name)
        if not isinstance(argument, Name):
            return
        wrong: Code = "derivative-at-wrong-point"
        swapped = substitute(step.formula, {argument.name: a, a.name: argument})
        if swapped != step.formula:
            message = f"the slope was taken at {argument.name} where {a.name} belongs, or the other way round"
            yield _variant(wrong, message, swapped, role="swapped")
        at_z = substitute(step.formula, {a.name: argument})
        message = f"{argument.name} was put in where {a.name} belongs"
        yield _variant(wrong, message, at_z, role="z")
        at_a = substitute(step.formula, {argument.name: a})
        message = f"{a.name} was put in where {argument.name} belongs"
        yield _variant(wrong, message, at_a, role="a")
        message = f"the value {a.name} was used as its slope"
        yield _variant(wrong, message, a, -1.5, "value")
        for inner in names_in(argument):
            message = f"{inner} was used as the slope of {a.name}"
            yield _variant(wrong, message, Name(inner), 0.5, "argument")
        rule = ACTIVATIONS.get(child.rule or "")
        if rule is not None and not rule.layerwise:
            message = f"{a.name} was taken for {argument.name}, so that its slope is 1"
            yield _variant("missing-activation", message, Number("1"), 1.5)
            message = f"the slope was taken at {a.name} where {argument.name} belongs"
            yield _variant(wrong, message, rule.slope_call(a), 0.25, "at the value")
            for row in ACTIVATIONS.values():
                if row.layerwise or row is rule or not row.learns or row.name == "identity":
                    continue
                message = f"the slope of another activation ({row.title}) was used"
                slope = row.slope_of(argument, a)
                yield _variant("wrong-activation", message, slope, 0.5, row.name)

    def _of_updated_weights(self, step: Step) -> Iterator[Variant]:
        graph = self.structure.graph
        if step.section not in ("backward", "gradient") or step.kind not in (
            "upstream",
            "gradient",
        ):
            return
        weights = [name for name in names_in(step.formula) if name in graph.carried]
        if not weights:
            return
        message = "the weights after the update were used; the way back goes through the old ones"
        renamed = rename(step.formula, lambda name: graph.carried.get(name, name))
        yield _variant("used-updated-weights", message, renamed)
        if len(weights) > 1:
            for weight in weights:
                new = {weight: Name(graph.carried[weight])}
                message = f"{graph.carried[weight]} was used; the way back goes through {weight}"
                yield _variant("used-updated-weights", message, substitute(step.formula, new), 0.5)


def _variant(
    code: Code, message: str, formula: Formula, later: float = 0.0, role: str = ""
) -> Variant:
    return Variant(Mistake(code, message), RANK[code] + later, formula, Idea(code, role))


def _is_gate(step: Step | None) -> bool:
    """Whether this is a max or min, which passes all of the gradient on, or none."""
    return step is not None and isinstance(step.formula, Call) and step.formula.function in EXTREMES


_SIDES: dict[Kind, str] = {
    "gradient": "gradient",
    "batch_gradient": "gradient",
    "upstream": "gradient",
    "penalty": "gradient",
}


def _side(step: Step) -> str:
    """The kind of step, as far as it makes a slip another idea."""
    return _SIDES.get(step.kind, step.kind)


def _place(formula: Formula, part: Formula) -> str:
    """Which term or factor a part is: the same one elsewhere is the same idea."""
    parts = children(formula)
    return str(parts.index(part)) if part in parts else "within"


def _change(factor: Formula) -> str:
    """Whether leaving a constant factor out makes a loss larger or smaller."""
    small = isinstance(factor, Quotient) or (isinstance(factor, Number) and factor.value < 1)
    return "more" if small else "less"


def _with_base(formula: Formula, base: Number) -> Formula:
    inner = rebuild(formula, lambda part: _with_base(part, base))
    if isinstance(inner, Call) and inner.function in NATURAL:
        return Quotient(inner, Call("ln", (base,)))
    return inner


def _text(formula: Formula) -> str:
    text = plain.write(formula)
    return text if len(text) <= 60 else f"{text[:57]}..."


def terms_of(formula: Formula) -> tuple[Formula, ...]:
    """The terms of a sum; anything else is one term."""
    return formula.terms if isinstance(formula, Sum) else (formula,)


def _walk(formula: Formula) -> Iterator[Formula]:
    yield formula
    for part in children(formula):
        yield from _walk(part)


def related(structure: Structure) -> Callable[[Node], tuple[int, ...]]:
    """For a step, the quantities near it: those a stray factor is likely to be."""
    graph: Graph = structure.graph
    cache: dict[int, tuple[int, ...]] = {}
    parents = {step.name: names_in(step.formula) for step in graph.steps}
    samples = {step.sample: None for step in graph.steps}
    constants = dict.fromkeys(leaf.name for leaf in graph.leaves if leaf.kind == "constant")
    beside: dict[tuple[object, int | None], list[Step]] = defaultdict(list)
    for each in graph.steps:  # by its unit, and by what it is calculated from
        for shared in (each.unit, *parents[each.name]):
            beside[shared, each.sample].append(each)

    def near(node: Node) -> tuple[int, ...]:
        if node.slot in cache:
            return cache[node.slot]
        step = node.step
        found: dict[str, None] = {}
        subject = step.of or (fraction(step.name) or ("", ""))[1]
        marks = samples if step.sample is None else (step.sample, None)
        others = {name: graph.step[name] for name in parents[step.name] if name in graph.step}
        for mark in marks:
            for shared in (subject, *([] if step.unit is None else [step.unit])):
                others.update((other.name, other) for other in beside.get((shared, mark), ()))
        for other in sorted(others.values(), key=lambda other: graph.place[other.name]):
            if other.sample in marks:
                found.update(dict.fromkeys(parents[other.name]))
                found[other.name] = None
        found.update(constants)
        found.pop(step.name, None)
        # What the update only works out later (the factor of a clip) cannot have strayed in.
        known = {name for name in found if not _of_update(graph.step.get(name))}
        places = tuple(structure.slots[n] for n in found if n in known and n in structure.slots)
        cache[node.slot] = places
        return places

    return near


def _of_update(step: Step | None) -> bool:
    return step is not None and step.section == "update"
