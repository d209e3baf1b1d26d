"""A run as a Python script: the problem in SymPy, every gradient derived again, and compared."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from fractions import Fraction
from unicodedata import normalize

from backprop_cli.diagnostics import escape
from backprop_cli.formula import plain, sympy_source
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.sympy_source import Unwritable
from backprop_cli.graph.step import Step
from backprop_cli.run import Run, Value
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet

LARGEST = 60_000
"""Numbers, names and signs of all derivatives together that SymPy is given."""
LONGEST_FRACTION = 10**20


class NoScript(ValueError):
    """Nothing that a script could derive, or too much; the message says which."""


def solution_sympy(run: Run, choices: Choices = DEFAULT) -> str:
    """The script, ending in a line feed. Raises NoScript."""
    if run.round_each is not None:
        raise NoScript("numbers rounded at every step are not those that SymPy gets")
    own = any(step.own_slope is not None for step in run.iterations[0].graph.steps)
    if own or run.problem.kinks:
        raise NoScript("SymPy knows nothing of slopes that the file says itself")
    return "".join(_Script(Sheet(run, run.iterations[0], choices)).lines())


class _Script:
    """The first update: its equations, and its gradients by what is given."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.graph = sheet.graph
        self.identifiers: dict[str, str] = {}
        self.steps = self._gradients()
        self.forward = self.graph.section("forward", "loss")
        if sum(map(sheet.wholes.size, (step.name for step in self.steps))) > LARGEST:
            raise NoScript(
                "the loss as one formula is too large for SymPy to differentiate by"
                f" {len(self.steps)} quantities; --only NAME asks for one of them"
            )

    def _gradients(self) -> Sequence[Step]:
        """Those of the whole batch, by quantities that are given."""
        asked = {self.graph.aliases.get(name, name) for name in self.sheet.choices.only}
        found = [
            step
            for step in self.graph.section("gradient")
            if step.of in self.graph.leaf
            and (step.sample is None or len(self.graph.batch) == 1)
            and step.name in self.sheet.wholes.asked
            and self.sheet.wholes.asked[step.name].output == self.graph.output
            and (not asked or step.name in asked)
        ]
        if not found:
            raise NoScript("there is no gradient by a given quantity here for SymPy to derive")
        return found

    def identifier(self, name: str) -> str:
        """Python's name for a quantity: its own where it can be."""
        if name not in self.identifiers:
            # Python reads names that Unicode holds for the same as one.
            wished = normalize("NFKC", name.replace("[", "_").replace("]", ""))
            taken = set(self.identifiers.values()) | {
                "sp",
                "numbers",
                "gradients",
                "print",
                "abs",
                "reduce",
            }
            if not wished.isidentifier() or wished.startswith("_") or keyword.iskeyword(wished):
                wished = f"q{len(self.identifiers)}"
            while wished in taken:
                wished += "_"
            self.identifiers[name] = wished
        return self.identifiers[name]

    def write(self, formula: Formula) -> str:
        try:
            return sympy_source.write(formula, self.identifier)
        except Unwritable as error:
            raise NoScript(str(error)) from None

    def lines(self) -> Iterator[str]:
        problem = self.sheet.run.problem
        yield f"# {_comment(problem.title)}: every gradient derived by SymPy and compared.\n"
        yield "# Needs SymPy only. It ends with exit code 0 if all agree.\n"
        formulas = [step.formula for step in self.forward]
        if self.symbolic:
            formulas += [self._expected(step) for step in self.steps]
        functions = sympy_source.definitions(formulas)
        if "reduce(" in functions:
            yield "from functools import reduce\n\n"
        yield "import sympy as sp\n"
        if functions:
            yield "\n\n" + functions + "\n"
        yield "\n# Given\n"
        yield from self._given()
        yield "\n# Forward pass and loss, in what is given\n"
        for step in self.forward:
            yield f"{self.identifier(step.name)} = {self.write(step.formula)}\n"
        yield from self._symbolic() if self.symbolic else self._numeric()

    @property
    def symbolic(self) -> bool:
        """Whether a number is missing, so that formulas are compared."""
        return any(self.sheet.value(leaf.name) is None for leaf in self.graph.leaves)

    def _given(self) -> Iterator[str]:
        shares = self._shares() if self.symbolic else {}
        for leaf in self.graph.leaves:
            if leaf.kind == "state":
                continue
            if leaf.name in shares:
                rest = " - ".join(["1", *map(self.identifier, shares[leaf.name])])
                yield f"{self.identifier(leaf.name)} = {rest}  # targets sum to 1\n"
            else:
                yield f"{self.identifier(leaf.name)} = sp.Symbol({_quoted(leaf.name)}, real=True)\n"

    def _shares(self) -> dict[str, list[str]]:
        """Behind softmax the steps take the targets to sum to 1: the last one is what is left."""
        if not any(self.sheet.wholes.proof(step.name)[1] for step in self.steps):
            return {}
        found = {}
        for sample in dict.fromkeys(leaf.sample for leaf in self.graph.leaves):
            targets = [
                leaf.name
                for leaf in self.graph.leaves
                if leaf.kind == "target" and leaf.sample == sample
            ]
            if len(targets) > 1:
                found[targets[-1]] = targets[:-1]
        return found

    def _numeric(self) -> Iterator[str]:
        yield "\nnumbers = {\n"
        for leaf in self.graph.leaves:
            if leaf.kind != "state":
                yield f"    {self.identifier(leaf.name)}: {_value(self.sheet.known(leaf.name))},\n"
        yield "}\n\n# Each gradient: what it is called, by what, and its value on the sheet\n"
        yield "gradients = [\n"
        for step in self.steps:
            value = self.sheet.known(step.name)
            if abs(as_float(value)) < float("inf"):
                yield f"    ({_quoted(step.name)}, {self._variable(step)}, {_value(value)}),\n"
        yield "]\n"
        yield f"""
for name, variable, value in gradients:
    derived = sp.N(sp.diff({self.identifier(self.graph.output)}, variable).xreplace(numbers), 30)
    print(name, "=", sp.N(derived, 10))
    assert abs(derived - value) <= 1e-9*abs(value) + 1e-15, (name, derived, value)
"""

    def _symbolic(self) -> Iterator[str]:
        yield "\n# Each gradient: what it is called, by what, and its formula on the sheet\n"
        yield "gradients = [\n"
        for step in self.steps:
            expected = self.write(self._expected(step))
            yield f"    ({_quoted(step.name)}, {self._variable(step)}, {expected}),\n"
        yield "]\n"
        yield f"""

def same(left, right):
    if left == right:
        return True
    symbols = sorted((left - right).free_symbols, key=str)
    for point in range(1, 4):  # the same value at three points, with 30 digits
        place = {{
            symbol: sp.Rational(1 + (7*index + 5*point) % 13, 10)
            for index, symbol in enumerate(symbols)
        }}
        one, other = (sp.N(sp.S(side).xreplace(place), 30) for side in (left, right))
        if not abs(one - other) <= 1e-20*(1 + abs(one)):
            return False
    return True


for name, variable, formula in gradients:
    derived = sp.diff({self.identifier(self.graph.output)}, variable)
    print(name, "=", derived)
    assert same(derived, sp.S(formula)), name
"""

    def _expected(self, step: Step) -> Formula:
        """The sheet's formula of a gradient, down to quantities of the forward pass."""
        known = {each.name for each in self.forward} | set(self.graph.leaf)
        formula = self.sheet.derivations.forms(step).closed
        return self.sheet.wholes.down_to(formula, known)

    def _variable(self, step: Step) -> str:
        assert step.of is not None
        return self.identifier(step.of)


def _value(value: Value) -> str:
    """Exactly where that is short, else as many digits as a float has."""
    if (
        isinstance(value, Fraction)
        and max(abs(value.numerator), value.denominator) < LONGEST_FRACTION
    ):
        return f'sp.Rational("{value}")'
    return f'sp.Float("{as_float(value)!r}", 30)'


def _quoted(name: str) -> str:
    return repr(plain.write(Name(name)))


def _comment(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in escape(text))
