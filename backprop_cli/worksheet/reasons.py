"""Sentences beside the numbers, where students stumble: what a function is, why a line is so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.formula.build import ONE, ZERO, names_in, negative, number
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.graph.stages import activation_of
from backprop_cli.graph.step import Link, Step
from backprop_cli.rules import losses
from backprop_cli.rules.activations import ACTIVATIONS, ActivationRule
from backprop_cli.rules.kinks import flat_side
from backprop_cli.worksheet.catalogue import curve
from backprop_cli.worksheet.document import (
    Block,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
    together,
)
from backprop_cli.worksheet.sheet import Sheet

BEYOND = {"<": "off", ">": "fully on"}
"""What a unit is where its activation is flat, below its kinks and above them."""

MOST_NAMED = 3
"""More quantities than these are counted in a sentence, not named."""


def function_reasons(sheet: Sheet) -> Iterator[Block]:
    """What each activation function on the sheet is, at its first use."""
    if not sheet.first:
        return
    heads: dict[Formula, Formula] = {}
    applied: dict[str, ActivationRule] = {}
    steps = sheet.graph.section("forward", "loss")
    for call in (call for step in steps for call in step.calls):
        if (rule := ACTIVATIONS.get(call.function)) is not None:
            values = dict(zip(("z", *rule.options), (Name("z"), *call.arguments[1:]), strict=False))
            heads[Call(call.function, tuple(values.values()))] = rule.formula_with(values)
            applied[rule.name] = rule
    for head, formula in heads.items():
        yield Paragraph((Relation(sheet.short(head), "=", formula),))
    if sheet.choices.pictures:
        yield from map(curve, applied.values())


def slope_reasons(sheet: Sheet) -> Iterator[Paragraph]:
    """Why the slopes of the sheet's activations are what they are."""
    if not sheet.first:
        return
    rules = dict.fromkeys(step.rule for step in sheet.graph.steps if step.kind == "slope")
    for name in rules:
        if name is not None and name in ACTIVATIONS:
            yield Paragraph((Text(ACTIVATIONS[name].reason),))
    if any(step.own_slope is not None for step in sheet.graph.steps):
        yield Paragraph((Text(OWN_SLOPE),))
    yield from share_reasons(sheet)


OWN_SLOPE = (
    "The slope of an activation of the file's own is the one that the file gives, which need not be"
    " the derivative of its formula."
)


def share_reasons(sheet: Sheet) -> Iterator[Paragraph]:
    """Where max or min passes the gradient on, where the sheet differentiates it, and what passes
    none."""
    if not sheet.first:
        return
    forward = sheet.graph.section("forward", "loss")
    stopped = [call for step in forward for call in step.calls if call.function == "stop"]
    for call in dict.fromkeys(stopped):
        text = " has the value of what it holds and passes no gradient back: it counts as a number."
        yield Paragraph((Math(call), Text(text)))
    backward = sheet.graph.section("backward", "gradient")
    children = {link.child for step in backward for link in step.links}
    called = {call.function for name in children for call in sheet.graph.step[name].calls}
    for function, extreme in (("max", "largest"), ("min", "smallest")):
        if function in called:
            chosen = sheet.run.problem.kinks.get(function, "share")
            gets = (
                "they then share it" if chosen == "share" else f"the {chosen} then gets all of it"
            )
            text = (
                f"{function} passes all of the gradient on to its {extreme} argument and none to"
                f" the others. Where arguments are equal it has no derivative: {gets}."
            )
            share = f"{function}_share"  # of more than two arguments
            if any(call.function == share for step in backward for call in step.calls):
                text += (
                    f" Share of {function} is what the argument written first gets:"
                    f" 1 where it alone is the {extreme}, an equal part in a tie, else 0."
                )
            yield Paragraph((Text(text),))


class Reasons:
    """The sentences below the gradients of a sheet: what holds of all units is said once, and in
    the first update only."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.said: set[str] = set()

    def of(self, group: Sequence[Step]) -> Iterator[Paragraph]:
        """What there is to say of the gradients of one unit."""
        yield from map(Paragraph, [*self.once(group), *self._off(group)])

    def once(self, group: Sequence[Step]) -> Iterator[Line]:
        """What holds of all units, where it is seen first."""
        if not self.sheet.first:
            return
        for step in group:
            for topic, line in self._general(step):
                if topic not in self.said:
                    self.said.add(topic)
                    yield line

    def _general(self, step: Step) -> Iterator[tuple[str, Line]]:
        if step.product is not None:
            yield "combined", (Text(self._combined(step)),)
        elif direct := [link for link in step.links if link.upstream is None]:
            yield from self._loss(direct[0])
        elif step.kind == "upstream" and len(step.links) > 1:
            users = [self.sheet.graph.step[link.child] for link in step.links]
            if step.sample is not None and any(user.sample is None for user in users):
                yield "woven", (*self._paths(step), Text(WOVEN))
            elif step.sample is not None or not self.sheet.graph.woven:
                yield "paths", self._paths(step)
        elif self._is_added(step):
            yield from self._bias(step)

    def _loss(self, link: Link) -> Iterator[tuple[str, Line]]:
        """Why the slope of the loss is what it is, unless it cancels in the next step."""
        loss = self.sheet.graph.step[link.child].applied
        if given_upstream(self.sheet.graph.step[link.child]):
            yield "loss", (Text(UPSTREAM),)
        if loss is None or not loss.targets:
            return
        if not (loss.taught or losses.LOSSES[loss.rule].kinks):
            return  # what is said of a slope is said of the formula as taught
        if not any(rule == loss.rule for rule, _ in losses.COMBINED):
            yield "loss", (Text(losses.LOSSES[loss.rule].reason),)

    def _combined(self, step: Step) -> str:
        """Why ∂L/∂z is so simple where cross-entropy meets its activation."""
        graph = self.sheet.graph
        loss = graph.step[step.over or graph.output].rule
        row = losses.COMBINED.get((loss or "", graph.step[step.links[0].child].rule or ""))
        if row is None:
            return "The fractions of the cross-entropy's slope and the slope of the unit cancel."
        return row.reason if len(names_in(step.formula)) <= 2 else UNNORMALISED

    def _paths(self, step: Step) -> Line:
        assert step.of is not None
        users = list(dict.fromkeys(self._plain(link.child) for link in step.links))
        many: Line = (Text(f"{len(users)} quantities"),)
        through = together(users) if len(users) <= MOST_NAMED else many
        return (
            Math(Name(self._plain(step.of))),
            Text(" acts on "),
            self.sheet.end,
            Text(" through "),
            *through,
            Text(": what comes back from each of them is added up."),
        )

    def _is_added(self, step: Step) -> bool:
        """A parameter that is added as it stands, or times a fixed number."""
        leaf = self.sheet.graph.leaf.get(step.of or "")
        return (
            step.kind == "gradient"
            and leaf is not None
            and leaf.kind == "parameter"
            and bool(step.links)
            and all(link.upstream and not names_in(link.local) for link in step.links)
        )

    def _bias(self, step: Step) -> Iterator[tuple[str, Line]]:
        link, name = step.links[0], Math(Name(step.of or ""))
        upstream = Math(Name(self._plain(link.upstream or "")))
        bias = self.sheet.graph.leaf[step.of or ""].role is not None
        if len(step.links) > 1:
            text = (
                f" is added in {len(step.links)} places and collects the gradient of each of them."
            )
            if len({link.local for link in step.links}) == 1:
                yield "shared", (name, Text(text))
        elif link.local == ONE and bias:
            yield "bias", (Text(f"A bias always has the input 1{SO}"), upstream, Text(" itself."))
        elif link.local == negative(ONE) and bias:
            sign = Text(" with the opposite sign.")
            yield "bias", (Text(f"A threshold always has the input −1{SO}"), upstream, sign)
        elif bias:
            times = Text(f"{SO}that times ")
            yield (
                "bias",
                (Text("A bias here has the input "), Math(link.local), times, upstream, STOP),
            )
        elif link.local == ONE:
            yield "bias", (name, Text(f" is added as it stands{SO}"), upstream, Text(" itself."))

    def _dropped(self, link: Link) -> Iterator[Line]:
        """r = 0: what dropout leaves out passes no gradient."""
        for name in names_in(link.local):
            if self.sheet.value(name) == 0 and name not in self.said:
                rest = "" if "dropped" in self.said else DROPPED
                self.said |= {name, "dropped"}
                yield (Relation(Name(name), "=", ZERO), Text(f"{OFF}{rest}"))

    def _plain(self, name: str) -> str:
        """The name without a sample: what is said holds of each of them."""
        return self.sheet.graph.unmarked(name)

    def _off(self, group: Sequence[Step]) -> Iterator[Line]:
        """z < 0: this ReLU is off and passes no gradient."""
        batch, steps = self.sheet.graph.batch, self.sheet.graph.step
        samples: dict[tuple[Relation, str], dict[int, None]] = {}
        for step in group:
            if step.kind != "upstream" or (owner := steps.get(step.of or "")) is None:
                continue
            z = self.sheet.value(owner.name)
            for link in step.links:
                if (user := steps[link.child]).kind == "handed_on":
                    yield from self._dropped(link)
                if user.applied is None or activation_of(user) != (user.rule, owner.name):
                    continue
                if (side := flat_side(user.applied.rule, user.applied.options, z)) is not None:
                    relation = Relation(Name(self._plain(owner.name)), side[0], number(side[1]))
                    says = f"this {ACTIVATIONS[user.applied.rule].title} is {BEYOND[side[0]]}"
                    samples.setdefault((relation, says), {})[owner.sample or batch[0]] = None
        for (relation, says), those in samples.items():
            all_ = len(those) == len(batch)
            where = "every sample" if all_ else f"sample {_counted([*those])}"
            text = f" for {where}: there {says} and passes none."
            alone = f", so {says} and passes no gradient."
            yield (relation, Text(alone if len(batch) == 1 else text))


def given_upstream(loss: Step) -> bool:
    """Whether the loss is only what has the slopes that are given."""
    return loss.called == "upstream gradient"


OFF = ": dropout leaves this unit out, so it hands on 0 and no gradient passes it."
DROPPED = " What stays is divided by the share that stays, so that the sum is as large on average."
WOVEN = " What belongs to the whole batch is shared by all its samples."
UNNORMALISED = (
    "Summed over the outputs, the slopes of cross-entropy and softmax cancel but for the sum of"
    " the targets, which is not 1 here."
)
UPSTREAM = (
    "The gradient of the outputs is given in place of a loss. L stands for the sum that has just"
    " these slopes; of the loss itself nothing else is known."
)
SO = ", so its gradient is "
STOP = Text(".")


def _counted(numbers: Sequence[int]) -> str:
    *rest, last = map(str, numbers)
    return f"{', '.join(rest)} and {last}" if rest else last
