"""The array sheet: each equation and each gradient with shapes, in numbers, and with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from backprop_cli.arrays.array import View, argument, entry_name, places
from backprop_cli.arrays.evaluate import UNPOOLED, Grid
from backprop_cli.arrays.gradients import Reason
from backprop_cli.arrays.operations import OPERATIONS, pool_windows
from backprop_cli.dataclass import replace
from backprop_cli.formula.build import ONE, names_in, product, substitute, walk
from backprop_cli.formula.nodes import Call, Formula, Name, Shown
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.array_rules import ArrayGradient
from backprop_cli.graph.step import Graph
from backprop_cli.graph.views import NONE, all_views
from backprop_cli.patterns import pattern
from backprop_cli.worksheet.array_notation import fits, in_rows
from backprop_cli.worksheet.array_numbers import Sign, note, number_of, numbers, result_of, rounded
from backprop_cli.worksheet.derivations import added
from backprop_cli.worksheet.derivations import only as entries_only
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Heading,
    HeatMap,
    Inline,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
    listed,
    named,
)
from backprop_cli.worksheet.passes import penalised, step_table
from backprop_cli.worksheet.reasons import UPSTREAM, function_reasons, given_upstream
from backprop_cli.worksheet.sheet import Sheet
from backprop_cli.worksheet.updates import is_plain, moved, not_updated, plain_table, rule
from backprop_cli.worksheet.updates import updates as entry_by_entry

MOST_WINNERS = 16
"""So many windows of a pooling are listed with where their largest entry stood."""


def forward(sheet: Sheet) -> Iterator[Block]:
    """Every equation between arrays, in the order of calculation."""
    graph = sheet.graph
    yield Heading(2, (Text("Forward pass"),))
    if sheet.first and any(_entrywise(view) for view in graph.arrays):
        yield Paragraph((Text(ENTRYWISE),))
        yield from map(Paragraph, _cells(graph))
    general, said = _at_every_time(sheet), set[str]()
    for view, equation in _written(sheet):
        yield from map(Paragraph, general.get(view.name, ()))
        yield from _equation(sheet, view, equation)
        yield from map(Paragraph, _words(sheet.notation.letters(equation), said))
    yield from function_reasons(sheet)
    within = {name for view in graph.arrays for entry in view.entries for name in names_in(entry)}
    steps = [step for step in graph.section("forward", "loss") if step.name not in within]
    if steps:  # the loss of a batch
        yield step_table(sheet, steps)


def _written(sheet: Sheet) -> Iterator[tuple[View, Formula]]:
    """The arrays that have an equation, but for those of all times, with their equations."""
    for view in sheet.graph.arrays:
        if view.equation is not None and not view.rows:
            yield view, view.equation


def rules(sheet: Sheet) -> Iterator[Line]:
    """The equations, as a blank sheet states them; what is the same at all times or in all samples
    once."""
    graph = sheet.graph
    sample = f"[{graph.batch[0]}]"
    general, said = _at_every_time(sheet), set[str]()
    yield from _cells(graph)
    for view in graph.arrays:
        of_another = "[" in view.name and not view.name.endswith(sample)
        if view.equation is None or view.rows or of_another:
            continue
        relation = Relation(view.letter, "=", sheet.notation.bare(view.equation))
        yield from general.get(view.name, ((relation,),))
        yield from _words(sheet.notation.letters(view.equation), said)
    if families := [(Math(view.letter),) for view in graph.arrays if view.rows]:
        yield (*listed(families), Text(f": a row for each {_index(graph)}."))


CELLS = {
    "ifogc": "an LSTM: i, f and o are the input, forget and output gates, g is what may be stored, c"
    " the state and a the output",
    "rzn": "a GRU: r and z are the reset and update gates, n is what the output a moves to",
}
"""What the letters of a recurrent layer stand for, by those of its arrays."""
WEIGHING = "; w weighs what comes in, u the output of the time before."


_DEPTH = pattern(r"\d+\Z")


def _cells(graph: Graph) -> Iterator[Line]:
    arrays = graph.lettering.arrays
    for depth in sorted({int(found[0]) for name in arrays if (found := _DEPTH.search(name))}):
        for letters, said in CELLS.items():
            if {f"{each}{depth}" for each in (*letters, f"u{letters[0]}")} <= arrays:
                yield (Text(f"Layer {depth} is {said}{WEIGHING}"),)


ENTRYWISE = (
    "Functions and powers of an array are taken entry by entry; ⊙ multiplies entry by entry. "
    "Shapes are written as rows×columns."
)


WORDS = {
    "1": "1 over a shape is an array of that shape, all ones.",
    "row": "rowsum, rowmean and the like go along each row and leave a number for each.",
    "_rows": "Σ rows, mean of rows and the like go down the columns and leave a number for each.",
    "correlation": "∗ is the convolution of the way forward, with what comes back as the kernel.",
    "full": "∗full lays the kernel over every place where it overlaps at all; flip turns it round.",
    "pad": "pad puts back the rim of zeros that the convolution had put round it.",
    "unpad": "unpad takes the rim off: what comes back to its zeros goes nowhere.",
    "dilate": "dilate puts zeros between the entries, and behind them, where the stride left places "
    "out or no window came.",
    "entries": "A[i] is row i of A, or entry i, counted from 1; a list takes one for each of "
    "its numbers.",
    "placed": "placed puts every entry where it was taken from; elsewhere are zeros.",
}
"""What words and signs mean that only sheets write, for where they stand first."""
KNOWN = {"transpose", "sum", "mean", "max", "min"}
"""Operations that need no explanation."""


def _words(written: Formula, said: set[str]) -> Iterator[Line]:
    for part in walk(written):
        match part:
            case Call(word, _) if word in OPERATIONS and word not in KNOWN | said:
                said.add(word)
                row = OPERATIONS[word]
                yield Text(row.signature, "code"), Text(f": {row.note}.")
            case Call(word, _) if word not in WORDS:
                word = word[:3] if word.startswith("row") else word[-5:]
            case Shown("shape", (Name("1"), *_)):
                word = "1"
            case Call(word, _) | Shown(word, _):
                pass
            case _:
                continue
        if word in WORDS and word not in said:
            said.add(word)
            yield (Text(WORDS[word]),)


def _entrywise(view: View) -> bool:
    return view.equation is not None and bool(view.shape)


def _at_every_time(sheet: Sheet) -> dict[str, Sequence[Line]]:
    """For the first row of what is worked out time after time `h_t = tanh(Wx x_t + …)`, for the
    others nothing: they are the same equation, as its author wrote it."""
    views = {view.name: view for view in sheet.graph.arrays if view.text and not view.rows}
    found: dict[str, Sequence[Line]] = {}
    if (index := _index(sheet.graph)) is None:
        return {}
    for name, view in views.items():
        stem, _, low = name.rpartition("_")
        if name in found or not low.isdigit() or view.written is None:
            continue
        alike = [name]
        while (after := views.get(f"{stem}_{int(low) + len(alike)}")) and after.text == view.text:
            alike.append(after.name)
        if len(alike) == 1:
            continue
        # What is another at the next time has a subscript: the time, or the one before.
        written, later = (sheet.notation.bare(views[each].written or ONE) for each in alike[:2])
        to: dict[str, Formula] = {name: Name(f"{stem}_{{{index}}}")}
        for one, other in zip(walk(written), walk(later), strict=True):
            if isinstance(one, Name) and one != other:
                row, _, number = one.name.rpartition("_")
                before = "" if number == low else "-1"
                to[one.name] = Name(f"{row}_{{{index}{before}}}")
        when = f"For every {index} from {low} to {int(low) + len(alike) - 1}: "
        relation = Relation(to[name], "=", substitute(written, to))
        found |= dict.fromkeys(alike, ()) | {name: ((Text(when), relation, Text(".")),)}
    return found


def _index(graph: Graph) -> str | None:
    """The letter of the times, where an array has a row for each."""
    names = (
        name
        for view in graph.arrays
        if view.rows and view.equation
        for name in names_in(view.equation)
    )
    return next((mark[2] for name in names if (mark := _SUBSCRIPT.match(name))), None)


_SUBSCRIPT = pattern(r"(.+)_\{(\w+?)(?:-1)?\}\Z")


def _equation(sheet: Sheet, view: View, equation: Formula) -> Iterator[Block]:
    lines = [DerivationLine(view.letter, "=", sheet.notation.letters(equation))]
    yield from _worked(sheet, view, lines, equation)
    if sheet.choices.pictures and not sheet.symbolic:
        yield from _pictures(sheet, view, equation)


def _pictures(sheet: Sheet, view: View, equation: Formula) -> Iterator[HeatMap]:
    """Shares as squares; an image with the first window of a convolution, or with the largest
    entries of a pooling, framed."""
    for part in walk(equation):
        match part:
            case Call("softmax", _):
                said: Line = (Text("The darker the larger the share; one of 0 would be white."),)
                title: Line = (Text("The shares "), *named([view.name]))
                yield from _heat_map(sheet, view, (), title, said, low=0.0)
            case Call("conv2d", (Name(name), Name(kernel), *_)):
                # The first window that no padding is in, and the entry that it makes.
                rim = _setting(sheet, part, "padding", 3, 0)
                stride = _setting(sheet, part, "stride", 2, 1)
                at = -(-rim // stride)
                start = at * stride - rim
                size = sheet.notation.view(kernel).shape[-2:]
                frame = tuple((start + row, start + column) for row, column in places(size))
                if len(view.shape) != 2 or at >= min(view.shape):
                    continue
                over = Text("The kernel, laid over what is framed, entry over entry, makes ")
                said = (over, Math(Name(entry_name(view.name, (at, at)))), Text("."))
                title = (*named([name]), Text(" and a window"))
                yield from _heat_map(sheet, sheet.notation.view(name), frame, title, said)
            case Call("max_pool", (Name(name), *_)):
                image = sheet.array_rules.known[name]
                side = _setting(sheet, part, "size", 1, 2)
                if len(image.shape) != 2:
                    continue
                tops = _tops(image, side, _setting(sheet, part, "stride", 2, side))
                frame = tuple(divmod(at, image.shape[1]) for at in tops)
                largest = Text("Framed are the largest of each window: they make ")
                said = (largest, Math(view.letter), Text("."))
                title = (*named([name]), Text(" and what is largest"))
                yield from _heat_map(sheet, sheet.notation.view(name), frame, title, said)


def _setting(sheet: Sheet, call: Call, name: str, place: int, default: int) -> int:
    """A whole number that an operation is given by name or by place."""
    given = argument(call, name, place)
    return default if given is None else int(sheet.array_rules.evaluator.value(given).scalar)


def _tops(image: Grid, size: int, stride: int) -> list[int]:
    """Where the largest entry of each window of a pooling stands, the first of those that tie."""
    windows = pool_windows(image.shape, size, stride)
    return [max(window, key=image.values.__getitem__) for window in windows]


def _heat_map(
    sheet: Sheet,
    view: View,
    framed: Sequence[tuple[int, ...]],
    title: Line,
    said: Line,
    low: float | None = None,
) -> Iterator[HeatMap]:
    if len(view.shape) != 2 or not fits(view.shape):
        return
    entries = sheet.notation.entries(view, lambda name: number_of(sheet, name))
    values = sheet.array_rules.known[view.name].values
    if entries is None or not all(map(math.isfinite, values)):
        return
    low, high = min(values) if low is None else low, max(values)
    shades = [0.0 if high == low else (value - low) / (high - low) for value in values]
    width = view.shape[1]
    starts = range(0, len(values), width)
    yield HeatMap(
        view.letter,
        in_rows(entries, view.shape).rows,
        tuple(tuple(shades[at : at + width]) for at in starts),
        tuple((row, column) for row, column in framed if row < view.shape[0] and column < width),
        title,
        said,
    )


def gradients(sheet: Sheet) -> Iterator[Block]:
    """∂L/∂ each array, one rule at a time, in the order of going back."""
    if not (found := sheet.array_rules.gradients):
        return
    yield Heading(2, (Text("Backward pass"),))
    if sheet.first and given_upstream(sheet.graph.step[sheet.graph.losses[0]]):
        yield Paragraph((Text(UPSTREAM),))
    yield from derived(sheet, found)


def derived(sheet: Sheet, found: Sequence[ArrayGradient]) -> Iterator[Block]:
    """Some gradients; what has been said of a rule is not said again."""
    said: set[Reason] = set()
    words = set[str]()
    for _, equation in () if sheet.choices.only else _written(sheet):
        list(_words(sheet.notation.letters(equation), words))
    for gradient in found:
        if gradient.constant and not gradient.of.shape and gradient.of.equation is not None:
            continue  # ∂L/∂L₁ = 1 goes without saying
        yield from _gradient(sheet, gradient)
        for reason in gradient.reasons:
            if reason not in said and gradient.formula is not None:
                said.add(reason)
                yield Paragraph(sentence(reason))
        if gradient.formula is not None:
            yield from map(Paragraph, _words(sheet.notation.letters(gradient.formula), words))


def only(sheet: Sheet) -> Iterator[Block]:
    """The quantities asked for: an array of which all entries are asked as an array."""
    asked = list(sheet.choices.only)
    arrays = [
        (view, [entry.name for entry in view.entries if isinstance(entry, Name) and entry != NONE])
        for view in all_views(sheet.graph)
    ]
    while asked:
        fitting = (each for each in arrays if len(each[1]) > 1 and each[1] == asked[: len(each[1])])
        view, names = next(fitting, (None, asked[:1]))
        alone = replace(sheet, choices=replace(sheet.choices, only=tuple(names)))
        yield from entries_only(alone) if view is None else _only(sheet, view)
        del asked[: len(names)]


def _only(sheet: Sheet, asked: View) -> Iterator[Block]:
    """∂L/∂ one array from the loss down, or the equation of an array."""
    rules, name = sheet.array_rules, asked.name
    needed = {name}
    for gradient in reversed(rules.gradients):
        if gradient.name in needed and gradient.formula is not None:
            needed.update(names_in(gradient.formula))
    yield from derived(sheet, [each for each in rules.gradients if each.name in needed])
    if own := [(view, equation) for view, equation in _written(sheet) if view.name == name]:
        yield from _equation(sheet, *own[0])
    elif name not in rules.by_name:
        yield from numbers(sheet, asked)


def sentence(reason: Reason) -> tuple[Inline, ...]:
    """Why a rule between arrays is as it is."""
    return tuple(Text(part) if isinstance(part, str) else Math(part) for part in reason)


AFTER = (Text("after cancelling"),)


def _gradient(sheet: Sheet, gradient: ArrayGradient) -> Iterator[Block]:
    left = Name(gradient.name)
    if gradient.formula is None:
        words = " follows no rule between whole arrays here: it is found entry by entry."
        yield Paragraph((Math(left), Text(words)))
        yield from numbers(sheet, gradient.view)
        return
    notation = sheet.notation
    lines: list[DerivationLine] = []
    for share in gradient.shares:
        label = (
            (Text("via "), Math(Name(share.via))) if len(gradient.shares) > 1 and share.via else ()
        )
        lines.append(added(left, notation.letters(share.formula), label, first=not lines))
    if not lines:
        lines = [DerivationLine(left, "=", notation.letters(gradient.formula))]
    last = gradient.short or gradient.formula
    if gradient.short is not None:
        lines.append(DerivationLine(None, "=", notation.letters(last), AFTER))
    if not sheet.symbolic:
        yield from _lines_first(sheet, last)
    yield from _worked(sheet, gradient.view, lines, last)
    yield from _winners(sheet, gradient)


def _worked(
    sheet: Sheet, view: View, lines: Sequence[DerivationLine], formula: Formula
) -> Iterator[Block]:
    """A formula by its letters, in numbers, and what it comes to."""
    found = list(lines)
    if (result := result_of(sheet, view)) is not None:
        inside = _put_in(sheet, formula)
        if inside is not None and inside not in (result.right, lines[-1].right):
            found.append(DerivationLine(None, "=", inside))
        if result.right != lines[-1].right:
            found.append(result)
    yield Derivation(tuple(found))
    if result is None and len(view.shape) > 2:
        yield from numbers(sheet, view)
    elif not fits(view.shape):
        yield Paragraph(note(view))


def _put_in(sheet: Sheet, formula: Formula) -> Formula | None:
    return sheet.notation.numbers(
        formula,
        lambda name: number_of(sheet, name),
        lambda value: rounded(sheet, value).formula,
    )


def _lines_first(sheet: Sheet, formula: Formula) -> Iterator[Block]:
    """The sums along lines that a formula has in it."""
    notation = sheet.notation
    for part in notation.inner(formula):
        grid = notation.rules.evaluator.value(part)
        inside = _put_in(sheet, part)
        if not fits(grid.shape) or len(grid.shape) > 2:
            continue
        written = [rounded(sheet, value) for value in notation.cleaned(part)]
        lines = [DerivationLine(notation.letters(part), "=", inside)] if inside else []
        entries = [each.formula for each in written]
        right = in_rows(entries, grid.shape) if grid.shape else entries[0]
        sign: Sign = "=" if all(each.exact for each in written) else "≈"
        yield Derivation((*lines, DerivationLine(None, sign, right)))


def _winners(sheet: Sheet, gradient: ArrayGradient) -> Iterator[Block]:
    """Where the largest of each window stood, for a pooling that was gone back through."""
    for pool in walk(gradient.formula or ONE):
        if not isinstance(pool, Call) or pool.function != UNPOOLED or sheet.symbolic:
            continue
        result, image, size, stride = map(sheet.array_rules.evaluator.value, pool.arguments)
        base, name = pool.arguments[1], gradient.shares[0].via
        if not isinstance(base, Name) or len(result.values) > MOST_WINNERS:
            continue
        at_place = list(places(image.shape))
        line: list[Inline] = []
        tops = _tops(image, int(size.scalar), int(stride.scalar))
        for top, place in zip(tops, places(result.shape), strict=True):
            own, where = entry_name(name, place), entry_name(base.name, at_place[top])
            line += [Text(", " if line else "The largest entries: ")]
            line.append(Relation(Name(own), "=", Name(where)))
        yield Paragraph((*line, Text(".")))


def updates(sheet: Sheet) -> Iterator[Block]:
    """Each array less η times its gradient; what follows another rule entry by entry."""
    graph = sheet.graph
    if not is_plain(graph) or not graph.carried:
        yield from entry_by_entry(sheet)
        return
    yield Heading(2, (Text("Update"),))
    if sheet.first:
        yield Paragraph(rule(sheet, True))
        yield from penalised(sheet, in_loss=False)
    views = {view.name: view for view in all_views(graph)}
    within: set[str] = set()
    for view in graph.arrays:
        new = views.get(f"{view.name}_new")
        gradient = Name(derivative_name(graph.output, view.name))
        if new is None or NONE in new.entries or gradient.name not in sheet.array_rules.by_name:
            continue
        within.update(names_in(view.matrix))
        formula = moved(graph, view.letter, product(Name("eta"), gradient))
        yield from _worked(sheet, new, [DerivationLine(new.letter, "=", formula)], formula)
    rest = [step for step in graph.section("update") if step.of not in within]
    if rest:
        yield from plain_table(sheet, rest)
    yield from not_updated(sheet)
