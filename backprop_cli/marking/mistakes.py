"""What each known slip would have made of a step: variants of its definition.

Slips are generated from the structure of a step (its terms, factors, paths and operands), so that
a new rule or wiring needs nothing here. Each variant has a rank: where several explain an answer,
the simplest is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, combinations, islice, starmap
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import plain
from backprop_cli.formula.build import (
    ONE,
    inside,
    names_in,
    negative,
    product,
    rebuild,
    rename,
    size,
    substitute,
    terms_of,
    total,
    without,
)
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.step import Kind, Step
from backprop_cli.marking.compiled import Functions, compile_all
from backprop_cli.marking.kept import grouped, kept, spread
from backprop_cli.marking.model import Code, Mistake, Throughout
from backprop_cli.marking.ranks import LATER, RANK
from backprop_cli.marking.sheet import Node, Structure, step_at
from backprop_cli.rules.activations import ACTIVATIONS, ActivationRule
from backprop_cli.rules.kinks import EXTREMES

if TYPE_CHECKING:
    from backprop_cli.marking.array_slips import ArraySlips

LARGEST_FORMULA = 400  # nodes; longer ones are searched only for slips of the whole
MOST_VARIANTS = 400
TWO = Number("2")
TRANSPOSED = "transposed"
MIRRORED = "weights were taken in exchanged places, each for its mirror image, as w12 for w21"
MOST_BESIDE = 8
"""Of units with more weights no two are exchanged."""
HIDDEN: tuple[Kind, ...] = ("upstream", "slope", "penalty")
"""Steps that few sheets ask for."""
PLAIN: tuple[Kind, ...] = ("gradient", "batch_gradient")
OF_BATCH: tuple[Kind, ...] = ("batch_loss", "batch_gradient")
NATURAL = ("ln", "log")
LAYERWISE = frozenset(row.name for row in ACTIVATIONS.values() if row.layerwise)


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


@dataclass(frozen=True)
class Slips:
    """The slips of every step of a sheet, made when they are first needed."""

    structure: Structure

    @kept
    def of(self, node: Node) -> Made:
        """The variants of a step, the simplest first, and one function with all their values."""
        slots = self.structure.slots
        variants = self.variants(node)
        functions = compile_all([each.formula for each in variants], slots)
        needs = {slots[name] for each in variants for name in names_in(each.formula)}
        return Made(variants, functions, tuple(sorted(slot for slot in needs if slot < node.slot)))

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
        steps = self.structure.graph.step
        return grouped((layer, self._pairs(steps[name])) for name, layer in self.layer.items())

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

    @kept
    def variants(self, node: Node) -> Sequence[Variant]:
        """The definitions of a step with one slip in them, the simplest first."""
        return tuple(islice(self._variants(node), MOST_VARIANTS))

    def _variants(self, node: Node) -> Iterator[Variant]:
        seen: set[Formula] = set(node.formulas)
        for variant in sorted(self._all(node), key=lambda each: each.rank):
            known = all(name in self.structure.slots for name in names_in(variant.formula))
            if variant.formula in seen or not known:
                continue
            seen.add(variant.formula)
            yield variant

    def _all(self, node: Node) -> Iterator[Variant]:
        step = node.step
        for formula in node.formulas:
            yield from self._of_the_whole(step, formula)
            if size(formula) <= LARGEST_FORMULA:
                yield from self._of_parts(step, formula)
        for slips_of in (
            self._in_every_term,
            self._of_operands,
            self._of_activation,
            self._of_slope,
            self._of_updated_weights,
            self._of_softmax,
            self._of_combined,
            self._of_squares,
            self._of_variance,
            self._of_log_sigmoid,
            self._of_logarithms,
            self._of_rule,
        ):
            yield from slips_of(step)
        if self.arrays is not None:
            yield from starmap(_variant, self.arrays.of(step))

    @cached_property
    def throughout(self) -> Mapping[str, Throughout]:
        """Slips wherever they can be made: with whole arrays; those of single steps, going back to
        quantities of a kind, as to a layer, or with the same words; two weights of a unit, each
        used going back where the other belongs."""
        found = {} if self.arrays is None else dict(self.arrays.throughout)
        for kind, made in spread(self._in_several()):
            mistake, formulas = made[next(iter(made))][0], {at: made[at][1] for at in made}
            if len(made) > 1:
                found[kind] = Throughout(mistake, frozenset(made), partial(dict, formulas), True)
        return found

    def _in_several(self) -> Iterator[tuple[str, Sequence[str], str, tuple[Mistake, Formula]]]:
        """Slips of single steps that are a way of working: a word for each, where it is one idea,
        the step, and what that comes to."""
        steps, users = self.structure.graph.step, self.structure.users
        for node in self.structure.steps:
            stem = (node.step.of or "").partition("_")[0]
            for each in self.variants(node) if node.step.kind in HIDDEN else ():
                if each.idea is not None:
                    kind, places = f"{node.step.kind} {each.idea}", ("", stem, each.mistake.message)
                    yield kind, places, node.name, (each.mistake, each.formula)
        rows = ([weight for weight, _ in row] for rows in self.rows.values() for row in rows)
        for one, other in chain(*(combinations(row[:MOST_BESIDE], 2) for row in rows)):
            message = f"{one} and {other} stand each where the other belongs, going back"
            mistake, to = Mistake("wrong-operand", message), {one: Name(other), other: Name(one)}
            for user in chain(*(users[self.structure.slots[name]] for name in to)):
                step = step_at(self.structure.nodes, user).step
                if step.kind == "upstream":
                    yield (
                        "back",
                        (f"{one} {other}",),
                        step.name,
                        (mistake, substitute(step.formula, to)),
                    )
        mistake = Mistake("other-rule", "a penalty was put on the biases too; it is on the weights")
        decays = {step.of: step for step in steps.values() if step.of and step.kind == "penalty"}
        for of, penalty in list(decays.items())[:1]:
            decay = [term for term in terms_of(penalty.formula) if of in names_in(term)]
            for step in self.structure.graph.section("update"):
                for name in names_in(step.formula):
                    its = steps[name].of if name in steps and steps[name].kind in PLAIN else None
                    if its is not None and its not in decays:
                        own = substitute(total(Name(name), *decay), {of: Name(its)})
                        formula = substitute(step.formula, {name: own})
                        yield "penalty", ("",), step.name, (mistake, formula)

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

    def _of_combined(self, step: Step) -> Iterator[Variant]:
        """The slope of a unit that the loss has taken in, as in ŷ − y, multiplied in again."""
        steps = self.structure.graph.step
        for link in step.links if step.product is not None else ():
            if link.slope is not None and steps[link.child].unit == step.unit:
                message = f"the factor {link.slope} was multiplied in again: it is in here already"
                again = product(step.formula, Name(link.slope))
                yield _variant("extra-factor", message, again, f"{step.kind} slope")

    def _of_squares(self, step: Step) -> Iterator[Variant]:
        """The 2 of a square left out of its slope, as of a penalty: 0.05·w for 0.1·w."""
        if step.kind != "slope" or not isinstance(step.formula, Product):
            return
        if any(isinstance(factor, Number) for factor in step.formula.factors):
            message = f"a factor 2 was left out of {_text(step.formula)}"
            yield _variant("missing-factor", message, Quotient(step.formula, TWO), "square")

    def _of_variance(self, step: Step) -> Iterator[Variant]:
        """A mean of squares, or its slope, with a sum that is divided by one less than their number."""
        steps = self.structure.graph.step
        whole = steps.get(step.of or "", step) if step.kind == "slope" else step
        match whole.formula:
            case Quotient(Sum(terms), Number() as below) if below.value == len(terms) > 2 and all(
                isinstance(term, Power) for term in terms
            ):
                message = f"the sum of the {len(terms)} squares was divided by {len(terms) - 1}"
                less = Quotient(below, Number(str(len(terms) - 1)))
                yield _variant("sum-not-mean", message, product(less, step.formula), "variance")

    def _of_log_sigmoid(self, step: Step) -> Iterator[Variant]:
        """1 − σ(x), the slope of ln σ(x), without its 1 or as σ(x)."""
        for whole, put in inside(step.formula):
            match whole:
                case Quotient(Call("sigmoid'", (x,)), Call("sigmoid", (y,)) as taken) if x == y:
                    message = f"the 1 of {_text(taken)} - 1 was left out"
                    yield _variant("missing-path", message, put(negative(taken)), "log sigmoid")
                    message = f"{_text(taken)} was taken for 1 - {_text(taken)}"
                    yield _variant("sign-flipped", message, put(taken), "log sigmoid")

    def _of_logarithms(self, step: Step) -> Iterator[Variant]:
        if step.section not in ("forward", "loss"):
            return
        parts = (part for part, _ in inside(step.formula))
        if not any(isinstance(part, Call) and part.function in NATURAL for part in parts):
            return
        for base in ("10", "2"):
            message = f"the logarithm to base {base} was taken; this sheet's is the natural one"
            other = _with_base(step.formula, Number(base))
            yield _variant("log-base", message, other, base)

    def _of_rule(self, step: Step) -> Iterator[Variant]:
        """v = μv + (1 − μ)g where the rule is v = μv + g."""
        terms = terms_of(step.formula)
        for index, term in enumerate(terms if step.kind == "state" else ()):
            match term:
                case Product((Name(share), Name(old))) if old in self.structure.graph.carried:
                    rest = total(*terms[:index], *terms[index + 1 :])
                    weighted = product(Sum((Number("1"), Negative(Name(share)))), rest)
                    message = (
                        f"(1 - {share}) was put in front of the gradient; this rule adds all of it"
                    )
                    yield _variant("other-rule", message, total(term, weighted))

    def _of_the_whole(self, step: Step, formula: Formula) -> Iterator[Variant]:
        later = "whole update" if step.kind == "update" else ""
        message = "the sign is the wrong way round"
        yield _variant("sign-flipped", message, negative(formula), _side(step), later)
        if self._concerns_loss(step):
            yield from self._loss_constants(step, formula)
        count = len(self.structure.graph.batch)
        if step.kind in OF_BATCH and count > 1:
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
                    yield _variant("sum-not-mean", message, unlike, "one less")
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
        parts = [
            part
            for name in (step.name, *graph.losses)
            if (at := graph.step.get(name)) and (name == step.name or at.sample == step.sample)
            for part, _ in inside(at.formula)
        ]
        numbers = (part for part in parts if isinstance(part, Number))
        constants = {
            part.text: part
            for part in numbers
            if part.value not in (0, 1) and part.value == int(part.value)
        }
        if not constants and not any(isinstance(part, Power) for part in parts):
            return
        constants.setdefault("2", TWO)
        for text, constant in constants.items():
            message = f"a factor {text} or 1/{text} of the loss was dropped or doubled"
            yield _variant("loss-constant", message, product(constant, formula), "more")
            yield _variant("loss-constant", message, Quotient(formula, constant), "less")

    def _of_parts(self, step: Step, formula: Formula) -> Iterator[Variant]:
        """Everything in a definition left out or turned round, one thing at a time."""
        for whole, put in inside(formula):
            match whole:
                case Sum(terms):
                    for at, term in enumerate(terms):
                        yield self._left_out_term(step, at, term, put(total(*without(terms, at))))
                        turned = (*terms[:at], negative(term), *terms[at + 1 :])
                        if not all(isinstance(each, Power) for each in terms):  # squares
                            yield self._turned_term(step, at, term, put(Sum(turned)))
                case Product(factors):
                    for at, factor in enumerate(factors):
                        rest = product(*without(factors, at))
                        yield self._left_out_factor(step, at, factor, put(rest))
                case Quotient(above, below):
                    yield self._left_out_denominator(step, below, put(above))
                case Power(base, _):
                    message = f"{_text(whole)} was taken without its exponent"
                    for other in (base, negative(base)) if isinstance(base, Sum) else (base,):
                        role = f"{_side(step)} power"
                        yield _variant("missing-factor", message, put(other), role)
                case Call(function, (_, _, *_) as operands) if function in EXTREMES:
                    for operand in operands:
                        message = f"{_text(operand)} was taken, and not the {function} of all"
                        yield _variant(
                            "wrong-operand", message, put(operand), function, "not the extreme"
                        )
                case Call(function, (argument,)) if not function.endswith("'"):
                    yield self._left_out_function(step, function, put(argument))
                case Negative(operand):
                    message = f"the minus sign in front of {_text(operand)} was left out"
                    role = f"{_side(step)} {0 if whole == step.formula else 'within'}"
                    yield _variant("sign-flipped", message, put(operand), role, "one term")
                case _:
                    pass

    def _left_out_term(self, step: Step, at: int, term: Formula, formula: Formula) -> Variant:
        text, names, updates = _text(term), names_in(term), step.kind == "update"
        unchanged = _variant("missing-path", f"{text} was left out, so nothing changed", formula)
        bias = step.section == "forward" and len(names) == 1 and self._is_parameter(names[0])
        change = f"only the change was given; it is added to the old value {step.of}"
        through = [link.child for link in step.links if link.upstream in names]
        path = f"the path through {', '.join(through)} was left out of the sum"
        said = f"the term {text} was left out of the sum"
        return _first(
            (updates and names != (step.of,), unchanged._replace(idea=None)),
            (updates, _variant("missing-path", change, formula, "change")),
            (bias, _variant("missing-bias", f"the bias {text} was left out", formula)),
            (through, _variant("missing-path", path, formula, f"path {at}")),
            (True, _variant("missing-path", said, formula, f"{_side(step)} {at}")),
        )

    def _turned_term(self, step: Step, at: int, term: Formula, formula: Formula) -> Variant:
        changes = step.kind == "update" and names_in(term) != (step.of,)
        up, minus = self.structure.graph.ascends, isinstance(term, Negative)
        ascent = "the gradient was added; descent subtracts it"
        descent = "the gradient was subtracted; ascent adds it"
        said, role = f"the sign of {_text(term)} is the wrong way round", f"{_side(step)} {at}"
        return _first(
            (changes and minus and not up, _variant("ascent", ascent, formula)),
            (changes and up and not minus, _variant("sign-flipped", descent, formula)),
            (True, _variant("sign-flipped", said, formula, role, "one term")),
        )

    def _left_out_factor(self, step: Step, at: int, part: Formula, formula: Formula) -> Variant:
        text, constant = _text(part), not names_in(part)
        number = constant and isinstance(part, Number | Quotient)
        name = part.name if isinstance(part, Name) else ""
        small = isinstance(part, Quotient) or (isinstance(part, Number) and part.value < 1)
        rate = step.section == "update" and name.rstrip("_") == "eta"
        gate, slope = _is_gate(self._slope_of(part)), f"the slope of the activation, {text}"
        said = f"the factor {text} was left out"
        of_mean, of_loss = (
            f"the factor {text} of the {it} was left out" for it in ("mean", "loss")
        )
        role = f"{_side(step)} {'weight' if self._is_parameter(name) else at}"
        size = "more" if small else "less"  # what leaving it out makes of a loss
        return _first(
            (
                self._is_activation_slope(part),
                _variant("missing-activation-derivative", f"{slope}, was left out", formula),
            ),
            (
                rate,
                _variant("missing-learning-rate", "the learning rate eta was left out", formula),
            ),
            (number and step.kind in OF_BATCH, _variant("sum-not-mean", of_mean, formula)),
            (
                number and self._concerns_loss(step),
                _variant("loss-constant", of_loss, formula, size),
            ),
            (constant and self.arrays, _variant("missing-scale", said, formula)),
            (gate, _variant("missing-factor", f"{text} was taken for 1", formula, "slope", "gate")),
            (True, _variant("missing-factor", said, formula, role)),
        )

    def _in_every_term(self, step: Step) -> Iterator[Variant]:
        """The same factor left out of every path."""
        terms = [term.factors for term in terms_of(step.formula) if isinstance(term, Product)]
        if len(step.links) < 2 or len(terms) < len(step.links) or len({*map(len, terms)}) > 1:
            return
        for at, parts in enumerate(zip(*terms, strict=True)):
            rest = total(*(product(*without(each, at)) for each in terms))
            made = self._left_out_factor(step, at, parts[0], rest)
            texts = ", ".join(dict.fromkeys(map(_text, parts)))
            mistake = Mistake(made.mistake.code, f"of every path a factor was left out: {texts}")
            yield made._replace(mistake=mistake, rank=made.rank + LATER["every path"])

    def _left_out_denominator(self, step: Step, below: Formula, formula: Formula) -> Variant:
        text, number = _text(below), isinstance(below, Number)
        mean = f"the sum over the samples was taken; the mean divides it by {text}"
        loss = f"the factor 1/{text} of the loss was left out"
        said, role = f"the division by {text} was left out", f"{_side(step)} below"
        return _first(
            (number and step.kind in OF_BATCH, _variant("sum-not-mean", mean, formula)),
            (
                number and self._concerns_loss(step),
                _variant("loss-constant", loss, formula, "more"),
            ),
            (not names_in(below) and self.arrays, _variant("missing-scale", said, formula)),
            (True, _variant("missing-factor", said, formula, role)),
        )

    def _left_out_function(self, step: Step, function: str, formula: Formula) -> Variant:
        if function in ACTIVATIONS and step.section == "forward":
            message = f"the activation {ACTIVATIONS[function].title} was not applied"
            return _variant("missing-activation", message, formula)
        said = {"sqrt": "root", "exp": "exponential", "ln": "logarithm"}.get(
            function, f"function {function}"
        )
        return _variant("missing-factor", f"the {said} was left out", formula, function)

    def _is_activation_slope(self, part: Formula) -> bool:
        if isinstance(part, Call):
            return part.function.endswith("'")
        child = self._slope_of(part)
        applied = child is not None and (child.rule or child.kind in ("activation", "equation"))
        return bool(applied) and not _is_gate(child)

    def _slope_of(self, part: Formula) -> Step | None:
        """What a local derivative is one of."""
        steps = self.structure.graph.step
        step = steps.get(part.name) if isinstance(part, Name) else None
        return steps.get(step.of or "") if step is not None and step.kind == "slope" else None

    def _of_operands(self, step: Step) -> Iterator[Variant]:
        """Whole rows exchanged: the transposed weights, or another unit's weights."""
        names = names_in(step.formula)
        mirrored = {name: self.transposed[name] for name in names if name in self.transposed}
        if mirrored:
            renamed = rename(step.formula, lambda name: mirrored.get(name, name))
            yield _variant("wrong-operand", MIRRORED, renamed, TRANSPOSED, "transposed")
        own = self._pairs(step)
        for row in self.rows.get(self.layer.get(step.name, -1), ()):
            if len(own) < 2 or len(row) != len(own) or row == own:
                continue
            exchanged = {mine[0]: other[0] for mine, other in zip(own, row, strict=True)}
            message = (
                f"the weights of another unit were used: {row[0][0]} and so on, for {own[0][0]}"
            )
            renamed = rename(step.formula, lambda name, e=exchanged: e.get(name, name))  # type: ignore[misc]
            role = f"{own[0][0]}>{row[0][0]}"
            yield _variant("wrong-operand", message, renamed, role, "other row")

    def _of_activation(self, step: Step) -> Iterator[Variant]:
        argument = self._argument(step) if step.section == "forward" else None
        if argument is None:
            return
        if step.rule != "identity":
            message = f"{_text(argument)} itself was given, without the activation"
            yield _variant("missing-activation", message, argument)
        for row in ACTIVATIONS.values():
            if row.layerwise or row.name in (step.rule, "identity"):
                continue
            message = f"another activation was applied ({row.title})"
            later = "" if row.learns else "not taught"
            made = _variant("wrong-activation", message, row.call(argument), row.name, later)
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
        if child is None or step.kind != "slope":
            return
        match child.formula:
            case Call(function, operands) if function in EXTREMES and {*map(type, operands)} == {
                Name
            }:
                message = f"another operand of {child.name} was let through than the one that is"
                turned = total(ONE, negative(step.formula))
                yield _variant("wrong-operand", message, turned, function, "other gate")
        argument, a = self._argument(child), Name(child.name)
        rule = ACTIVATIONS.get(child.rule or "")
        if argument is not None and rule is not None and not rule.layerwise:
            yield from self._of_another_slope(step, rule, argument, a)
        if not isinstance(argument, Name):
            return
        wrong: Code = "derivative-at-wrong-point"
        z, formula = argument.name, step.formula
        rows = (
            (
                substitute(formula, {z: a, a.name: argument}), "swapped", "",
                f"the slope was taken at {z} where {a.name} belongs, or the other way round",
            ),
            (
                substitute(formula, {a.name: argument}), "z", "",
                f"{z} was put in where {a.name} belongs",
            ),
            (substitute(formula, {z: a}), "a", "", f"{a.name} was put in where {z} belongs"),
            (a, "value", "value for slope", f"the value {a.name} was used as its slope"),
        )  # fmt: skip
        for other, role, later, message in rows:
            yield _variant(wrong, message, other, role, later)
        for inner in names_in(argument):
            message = f"{inner} was used as the slope of {a.name}"
            yield _variant(wrong, message, Name(inner), "argument", "input for slope")
        if rule is not None and not rule.layerwise:
            message = f"{a.name} was taken for {z}, so that its slope is 1"
            yield _variant("missing-activation", message, Number("1"), later="slope 1")
            message = f"the slope was taken at {a.name} where {z} belongs"
            yield _variant(wrong, message, rule.slope_call(a), "at the value", "slope at the value")

    def _of_another_slope(
        self, step: Step, rule: ActivationRule, argument: Formula, a: Name
    ) -> Iterator[Variant]:
        """Another activation's slope, or none, as a factor of what is differentiated."""
        own, formula = rule.slope_of(argument, a), step.formula
        if not isinstance(argument, Name):
            message = f"the slope of the activation, {_text(own)}, was left out"
            rest = Quotient(formula, own)
            yield _variant("missing-activation-derivative", message, rest)
        for row in ACTIVATIONS.values():
            if row.layerwise or row is rule or not row.learns or row.name == "identity":
                continue
            message = f"the slope of another activation ({row.title}) was used"
            slope = row.slope_of(argument, a)
            other = slope if formula == own else Quotient(product(formula, slope), own)
            yield _variant("wrong-activation", message, other, row.name, "other slope")

    def _of_updated_weights(self, step: Step) -> Iterator[Variant]:
        graph = self.structure.graph
        back = step.section in ("backward", "gradient") and step.kind in ("upstream", "gradient")
        weights = [name for name in names_in(step.formula) if back and name in graph.carried]
        said = "the weights after the update were used; the way back goes through the old ones"
        each = [([one], "one weight") for one in weights if len(weights) > 1]
        for some, later in [(weights, ""), *each] if weights else ():
            message = f"{graph.carried[some[0]]} was used; the way back goes through {some[0]}"
            to: dict[str, Formula] = {name: Name(graph.carried[name]) for name in some}
            formula = substitute(step.formula, to)
            yield _variant("used-updated-weights", message if later else said, formula, "", later)


def _variant(
    code: Code, message: str, formula: Formula, role: str = "", later: str = ""
) -> Variant:
    return Variant(Mistake(code, message), RANK[code] + LATER[later], formula, Idea(code, role))


def _first(*rows: tuple[object, Variant]) -> Variant:
    """The first of these that applies."""
    return next(variant for applies, variant in rows if applies)


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


def _with_base(formula: Formula, base: Number) -> Formula:
    inner = rebuild(formula, lambda part: _with_base(part, base))
    if isinstance(inner, Call) and inner.function in NATURAL:
        return Quotient(inner, Call("ln", (base,)))
    return inner


def _text(formula: Formula) -> str:
    text = plain.write(formula)
    return text if len(text) <= 60 else f"{text[:57]}..."
