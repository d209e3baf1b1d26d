"""Random formula trees for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from backprop_cli.formula.nodes import (
    Call,
    Comparison,
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

NAMES = ("x", "x1", "w2_1_3", "yhat", "y", "eta", "delta1", "L_y", "z2_1", "b2")
RELATIONS = ("<", "<=", ">", ">=", "==", "!=")

numbers = st.one_of(
    st.integers(0, 200).map(str),
    st.decimals(0, 100, places=3).map(lambda value: format(value, "f")),
    st.sampled_from(["0.90", "1e-3", "2.5e12", "0"]),
).map(Number)
names = st.sampled_from(NAMES).map(Name)
atoms: st.SearchStrategy[Formula] = st.one_of(numbers, names)

ONE_ARGUMENT = ("exp", "ln", "sqrt", "abs", "sigmoid", "tanh", "relu", "relu'", "sigmoid'", "gelu")


def _extend(parts: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    comparison = st.builds(Comparison, parts, st.sampled_from(RELATIONS), parts)
    return st.one_of(
        several.map(Sum),
        several.map(Product),
        st.builds(Quotient, parts, parts),
        st.builds(Negative, parts),
        st.builds(Power, parts, parts),
        st.builds(Call, st.sampled_from(ONE_ARGUMENT), parts.map(lambda part: (part,))),
        st.builds(Call, st.sampled_from(("max", "min", "logsumexp")), several),
        st.sampled_from(("pi", "e")).map(lambda name: Call(name, ())),
        st.builds(Conditional, comparison, parts, parts),
        comparison,
    )


formulas: st.SearchStrategy[Formula] = st.recursive(atoms, _extend, max_leaves=12)
