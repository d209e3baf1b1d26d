"""SymPy expressions that people work with: the sheet's formulas for them, theirs for a file.

Every name is a plain Symbol of that name, made as such, so that `E`, `I`, `N`, `S`, `beta` and
`lambda` are what the sheet calls so. Functions are SymPy's own, cases a Piecewise; only σ stays a
function by its name, which differentiates to σ(1 − σ), has values, and is 1/(1 + e^−z) on
`rewrite(exp)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from backprop_cli.algebra.bridge import Beyond, choice, from_sympy, piecewise, to_sympy
from backprop_cli.algebra.classes import SYMPYS, function_classes
from backprop_cli.formula import plain
from backprop_cli.formula.defined import by_definition
from backprop_cli.formula.functions import FUNCTIONS, derived, functions
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.python import numeric

LARGEST = 20_000
"""Operations in an expression that is read as a formula."""


class NoFormula(ValueError):
    """A SymPy expression that no problem file could hold; the message says why."""


def expression_of(formula: Formula) -> Any:
    """The formula in SymPy, its names as Symbols of these names."""
    import sympy

    return piecewise(to_sympy(formula, sympy.Symbol, public_functions()))


def public(expression: Any, names: Mapping[Any, str]) -> Any:
    """An expression of a Composition in the same terms."""
    import sympy

    own = {
        found: public_functions()[function]
        for taught in (False, True)
        for function, found in function_classes(taught=taught).items()
        if not found.__module__.startswith("sympy.")
    }
    known: dict[Any, Any] = {symbol: sympy.Symbol(name) for symbol, name in names.items()}

    def translated(node: Any) -> Any:
        if node not in known:
            arguments = tuple(map(translated, node.args))
            meaning = own.get(node.func, node.func)
            # Max and Min would compare all they hold again, which names change nothing of.
            settled = {"evaluate": False} if meaning in (sympy.Max, sympy.Min) else {}
            same = meaning is node.func and arguments == node.args
            known[node] = node if same else meaning(*arguments, **settled)
        return known[node]

    return piecewise(translated(expression))


@derived
def public_functions() -> Mapping[str, Callable[..., Any]]:
    """Every function in SymPy's own terms: ReLU as two cases, what is defined by others so."""
    import sympy

    exp, log = sympy.exp, sympy.log
    known: dict[str, Callable[..., Any]] = {name: function_classes()[name] for name in SYMPYS}
    known |= {
        "sigmoid": _sigmoid(),
        "ceil": sympy.ceiling,
        "log": log,
        "log1p": lambda z: log(1 + z),
        "expm1": lambda z: exp(z) - 1,
        "erfc": lambda z: 1 - sympy.erf(z),
        "abs": sympy.Abs,
        "abs'": sympy.sign,
        "max": sympy.Max,
        "min": sympy.Min,
        "max_share": _share(sympy.Lt),
        "min_share": _share(sympy.Gt),
        "logsumexp": lambda *zs: log(sympy.Add(*map(exp, zs))),
        "tanh": sympy.tanh,
        "sign": lambda z, at_zero=sympy.S.One: sympy.Piecewise(
            (1, z > 0), (-1, z < 0), (at_zero, True)
        ),
    }

    def value(formula: Formula, lookup: Callable[[str], Any]) -> Any:
        return piecewise(to_sympy(formula, lookup, known))

    for row in functions():
        if row.name not in known and row.definition:
            known[row.name] = by_definition(row.name, "definition", value)
        elif row.name not in known and row.fewest:
            known[row.name] = getattr(sympy, row.name)
    return known | {name: known[row.name] for name, row in FUNCTIONS.items() if row.name in known}


def _share(beats: Any) -> Callable[..., Any]:
    """1 for the winner of a max or min, 0 for who loses; those who tie share."""
    import sympy

    def share(first: Any, *rest: Any) -> Any:
        beaten = sympy.Or(*(beats(first, other) for other in rest))
        equals = sum(sympy.Piecewise((1, sympy.Eq(first, other)), (0, True)) for other in rest)
        return sympy.Piecewise((0, beaten), (1 / (1 + equals), True))

    return share


@lru_cache(maxsize=1)
def _sigmoid() -> Any:
    import sympy

    def meaning(self: Any, *arguments: Any, **hints: Any) -> Any:
        return 1 / (1 + sympy.exp(-self.args[0]))

    def value(self: Any, precision: int) -> Any:
        return meaning(self)._eval_evalf(precision)

    def latex(self: Any, printer: Any, exp: str | None = None) -> str:
        written = rf"\sigma\left({printer._print(self.args[0])}\right)"
        return written if exp is None else f"{written}^{{{exp}}}"

    return type(
        "sigmoid",
        (sympy.Function,),
        {
            "nargs": 1,
            "fdiff": lambda self, argindex=1: self * (1 - self),
            "_eval_rewrite_as_exp": meaning,
            "_eval_evalf": value,
            "_latex": latex,
            "_imp_": staticmethod(numeric("sigmoid")),  # what lambdify calls
        },
    )


# From a person's expression to the text of a formula


def is_expression(value: object) -> bool:
    """Whether a value is SymPy's; without it loaded there is none."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, sympy.Basic)


def is_equation(value: object) -> bool:
    """Whether a value is SymPy's `Eq(name, formula)`."""
    return is_expression(value) and isinstance(value, sys.modules["sympy"].Equality)


def as_number(expression: Any) -> int | float | None:
    """A number of SymPy's as one of Python's; None for what is none."""
    if not (expression.is_Number and expression.is_finite):
        return None
    return int(expression) if expression.is_Integer else float(str(expression.evalf(17)))


def text_of(expression: Any) -> str:
    """A SymPy expression as a problem file writes it. Raises NoFormula."""
    import sympy

    if getattr(expression, "is_Matrix", False) or not isinstance(expression, sympy.Expr):
        raise NoFormula(f"{type(expression).__name__} is no expression of numbers")
    if expression.count_ops() > LARGEST:
        raise NoFormula("the expression is too large")
    for symbol in expression.free_symbols:
        if not symbol.name.isidentifier():
            raise NoFormula(
                f"the symbol {symbol.name!r} is no name; letters, digits and _ make one"
            )
    try:
        written = _with_our_functions(expression)
        symbols = sorted(written.free_symbols, key=sympy.default_sort_key)
        decimals = bool(expression.atoms(sympy.Float))
        return plain.write(from_sympy(written, {s: Name(s.name) for s in symbols}, decimals))
    except (Beyond, RecursionError, TypeError, ValueError) as error:
        raise NoFormula(f"`{str(expression)[:60]}` cannot be a formula: {error}") from None


def _with_our_functions(expression: Any) -> Any:
    """Floats as the decimals they show, cases and functions under the names of the closed list."""
    import sympy

    floats = {each: sympy.Rational(str(each)) for each in expression.atoms(sympy.Float)}
    expression = expression.xreplace(floats)
    if expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I):
        raise NoFormula("a formula has no infinite and no complex numbers")
    classes = function_classes()
    expression = expression.replace(
        sympy.Heaviside, lambda z, at_zero=sympy.S.Half: _sides(z, 1, at_zero, 0)
    )
    expression = expression.replace(sympy.sign, lambda z: _sides(z, 1, 0, -1))
    for theirs, ours in (
        (sympy.Max, "max"), (sympy.Min, "min"), (sympy.Abs, "abs"), (sympy.ceiling, "ceil"),
    ):  # fmt: skip
        expression = expression.replace(theirs, classes[ours])
    return expression.replace(sympy.Piecewise, _cases)


def _sides(z: Any, above: Any, at_zero: Any, below: Any) -> Any:
    return choice(">")(z, 0, above, choice("<")(z, 0, below, at_zero))


def _cases(*pairs: Any) -> Any:
    import sympy

    *earlier, (result, last) = pairs
    if last is not sympy.true:
        raise NoFormula("the last case of a Piecewise has to be (…, True)")
    for then, condition in reversed(earlier):
        result = _where(condition, then, result)
    return result


def _where(condition: Any, then: Any, otherwise: Any) -> Any:
    import sympy

    if condition is sympy.true or condition is sympy.false:
        return then if condition else otherwise
    if isinstance(condition, sympy.Not):
        return _where(condition.args[0], otherwise, then)
    if isinstance(condition, sympy.And):
        for part in condition.args:
            then = _where(part, then, otherwise)
        return then
    if isinstance(condition, sympy.Or):
        for part in condition.args:
            otherwise = _where(part, then, otherwise)
        return otherwise
    if not isinstance(condition, sympy.core.relational.Relational):
        raise NoFormula(f"{condition} is no comparison")
    return choice(condition.rel_op)(condition.lhs, condition.rhs, then, otherwise)
