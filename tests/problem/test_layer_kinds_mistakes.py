"""Mistakes in layers of other kinds than dense: each is named at its place, and says what helps."""

from __future__ import annotations

import pytest

from backprop_cli.arrays.workshop import Workshop
from backprop_cli.diagnostics import Diagnostic, ProblemError
from backprop_cli.problem.read import read

IMAGE = "inputs: [[1, 0, 2], [0, 1, 0], [2, 1, 1]]\n"
SEQUENCE = "inputs: [[1, 2], [0, 1]]\n"
TOKENS = "inputs: [2, 1]\n"
KERNEL = "kernels: [[[1, 0], [0, 1]]], activation: relu"


def net(*layers: str, inputs: str = IMAGE, targets: str = "[1]") -> str:
    rows = "".join(f"  - {layer}\n" for layer in layers)
    return f"{inputs}targets: {targets}\nlayers:\n{rows}loss: half_squared_error\n"


def conv(keys: str, *more: str, **of: str) -> str:
    return net(f"{{kind: conv2d, {keys}}}", *more, **of)


def cell(keys: str, **of: str) -> str:
    return net(f"{{{keys}}}", inputs=SEQUENCE, **of)


def token(*layers: str, **of: str) -> str:
    return net(*layers, **{"inputs": TOKENS, "targets": "[[1], [1]]"} | of)


GATES = "weights: {i: [[1, 2]], f: [[1, 2]], g: [[1, 2]], o: [[1, 2]]}"

TABLE = [
    (conv("activation: relu"), "missing-key", "{kind: conv2d, activation: relu}", "no `kernels`"),
    (conv("kernels: [1, 2], activation: relu"), "shape", "[1, 2]", "and these are a vector of 2"),
    (conv("kernels: 5, activation: relu"), "not-a-list", "5", "must be lists of numbers"),
    (conv("kernels: [[[1, 0], [1]]], activation: relu"), "shape", "[1]", "2 in its first row"),
    (
        conv("kernels: [[[1, 0, 0, 1]]], activation: relu"),
        "shape",
        "[[[1, 0, 0, 1]]]",
        "1×4, larger than 3×3",
    ),
    (
        conv("kernels: [[[[1]], [[1]]]], activation: relu"),
        "shape",
        "[[[[1]], [[1]]]]",
        "the input is 3×3, and these are 1×2×1×1",
    ),
    (
        conv("kernels: [[[1]]], activation: relu", inputs="inputs: [[[1]], [[2]]]\n"),
        "shape",
        "[[[1]]]",
        "output channels × input channels × rows × columns, for the input is 2×1×1",
    ),
    (conv(f"{KERNEL}, biases: [0, 1]"), "shape", "[0, 1]", "1 channel, so biases must be 1 number"),
    (conv(f"{KERNEL}, stride: 0"), "out-of-range", "0", "`stride` of layer 1 must be from 1"),
    (conv(f"{KERNEL}, padding: -1"), "out-of-range", "-1", "`padding` of layer 1 must be from 0"),
    (conv(f"{KERNEL}, stride: 1.5"), "not-whole", "1.5", "a whole number"),
    (conv(f"{KERNEL}, units: 2"), "unknown-key", "units", "not a key of layer 1 (conv2d)"),
    (conv("kernel: [[[1]]]"), "unknown-key", "kernel", "did you mean `kernels`?"),
    (conv("kernels: [[[1]]], activation: [relu]"), "not-text", "[relu]", "without brackets"),
    (conv("kernels: [[[1]]], activation: softmax"), "out-of-range", "softmax", "a dense layer"),
    (conv("kernels: [[[1]]]"), "no-activation", "{kind: conv2d, kernels: [[[1]]]}", "identity"),
    (conv(KERNEL, "{kind: flaten}"), "unknown-choice", "flaten", "did you mean `flatten`?"),
    (conv(KERNEL, "{kind: swirl}"), "unknown-choice", "swirl", "`backprop list layers`"),
    (conv(KERNEL, "{kind: max_pool, size: 3}"), "shape", "size", "3×3, larger than 2×2"),
    (
        conv(KERNEL, "{activation: relu, weights: [[1, 1]]}"),
        "shape",
        "{activation: relu, weights: [[1, 1]]}",
        "put `{kind: flatten}` before it",
    ),
    (
        conv(KERNEL, "{kind: flatten}", "{activation: relu, weights: [[1, 1]]}"),
        "shape",
        "[[1, 1]]",
        "layer 2 gives 4 values, so weights must be 1 row of 4 numbers",
    ),
    (conv(KERNEL, inputs="inputs: [1, 2]\n"), "shape", "kind", "an image is rows of numbers"),
    (conv(KERNEL), "shape", "[1]", "layer 1 gives 4 outputs"),
    (conv(KERNEL, targets="[[1, 2]]"), "shape", "[[1, 2]]", "the outputs are 2×2"),
    (
        conv(f"{KERNEL}, add: inputs", targets="[[1, 1], [1, 1]]"),
        "shape",
        "inputs",
        "2×2 cannot add 3×3",
    ),
    (
        conv(f"{KERNEL}, dropout: {{mask: [1, 0], keep: 0.5}}", targets="[[1, 1], [1, 1]]"),
        "shape",
        "[1, 0]",
        "`mask` of layer 1 must be 2×2",
    ),
    (
        conv(KERNEL, targets="[[1, 1], [1, 1]]") + "notation: {names: sequential}\n",
        "wrong-form",
        "notation",
        "is for networks of dense layers",
    ),
    (
        conv(KERNEL, "{kind: flatten}", "{activation: relu, weights: {same_as: 1}}"),
        "shape",
        "{same_as: 1}",
        "layer 1 is no dense layer",
    ),
    (cell("kind: lstm, units: 1, weights: [[1, 2]]"), "not-a-mapping", "[[1, 2]]", "by gate: `i`"),
    (
        cell("kind: lstm, weights: {i: [[1, 2]], f: [[1, 2]]}"),
        "missing-key",
        "weights",
        "none of gate `g` and `o`",
    ),
    (cell("kind: lstm, units: 1, weights: {c: [[1]]}"), "unknown-key", "c", "there are `i`, `f`"),
    (cell(f"kind: lstm, {GATES}"), "missing-key", "weights", "layer 1 has no `recurrent`"),
    (
        cell(f"kind: lstm, {GATES[:-1]}, wf: [[1, 2]]}}"),
        "both-forms",
        "[[1, 2]]",
        "`wf` stands beside `weights: {f: …}`",
    ),
    (cell("kind: rnn, weights: [[1, 2]]"), "missing-key", "weights", "layer 1 has no `recurrent`"),
    (cell("kind: rnn"), "missing-key", "{kind: rnn}", "neither `weights` nor `units`"),
    (
        cell("kind: rnn, weights: [[1, 2, 3]], recurrent: [[1]]"),
        "shape",
        "[[1, 2, 3]]",
        "a column for each number that comes in",
    ),
    (
        cell("kind: rnn, units: 3, weights: [[1, 2, 3], [1, 2, 3]]", targets="[1, 1, 1]"),
        "shape",
        "[[1, 2, 3], [1, 2, 3]]",
        "rows and columns are exchanged",
    ),
    (
        cell("kind: rnn, weights: [[1, 2]], recurrent: [[1]], initial: [1, 2]"),
        "shape",
        "[1, 2]",
        "`initial` of layer 1 must be a vector of 1",
    ),
    (
        cell("kind: rnn, weights: [[1, 2]], recurrent: [[1]], returns: first"),
        "unknown-choice",
        "first",
        "`last` or `all`",
    ),
    (token("{kind: embedding}"), "missing-key", "{kind: embedding}", "no `weights`"),
    (
        token("{kind: embedding, weights: [[1]]}"),
        "out-of-range",
        "2",
        "from 1 to 1, not 2",
    ),
    (
        token("{activation: relu, weights: [[1, 1]]}", "{kind: embedding, weights: [[1]]}"),
        "shape",
        "kind",
        "the embedding as the first layer",
    ),
    (
        net("{kind: layer_norm, gamma: [1, 2]}", inputs="inputs: [1, 2, 3]\n"),
        "shape",
        "[1, 2]",
        "`gamma` of layer 1 must be a vector of 3",
    ),
    (
        "samples:\n  - {inputs: [[1, 2]], targets: [1]}\n  - {inputs: [1, 2], targets: [1]}\n"
        "layers: [{kind: flatten}, {activation: relu, weights: [[1, 1]]}]\n"
        "loss: half_squared_error\n",
        "shape",
        "[1, 2]",
        "the inputs of sample 2 are one list, and those of sample 1 1×2",
    ),
    (
        "samples:\n  - {inputs: [1], targets: [1]}\n  - {inputs: [2], targets: [1]}\n"
        "layers: [{kind: embedding, weights: [[1], [2]]}]\n"
        "loss: half_squared_error\nlearning_rate: 1\ntraining: {batch: 1}\n",
        "out-of-range",
        "training",
        "an update needs all of them",
    ),
    (
        "layers: [{kind: flatten}]\n",
        "missing-key",
        "{kind: flatten}",
        "nothing says what layer 1 gets",
    ),
]


def told(text: str) -> list[Diagnostic]:
    try:
        return read("demo.yaml", text)[1]
    except ProblemError as error:
        return error.diagnostics


@pytest.mark.parametrize(
    ("text", "code", "marked", "words"),
    TABLE,
    ids=[f"{index}-{row[1]}" for index, row in enumerate(TABLE)],
)
def test_each_mistake_is_named_at_its_place(text: str, code: str, marked: str, words: str) -> None:
    found = told(text)
    assert any(
        one.code == code
        and one.span is not None
        and text[one.span.start : one.span.end] == marked
        and words in f"{one.message} {one.help}"
        for one in found
    ), "\n\n".join(map(str, found))


def test_an_unknown_kind_is_said_once() -> None:
    assert [one.code for one in told(conv(KERNEL, "{kind: flaten}"))] == ["unknown-choice"]


@pytest.mark.parametrize(
    "layer",
    [
        "{kind: conv2d, kernels: {shape: [1000, 1000, 1000]}, activation: relu}",
        "{kind: conv2d, kernels: [[[1]]], padding: 1000, activation: relu}",
        "{kind: lstm, units: 2000}",
        "{kind: dense, units: 2000, activation: relu}",
        "{kind: avg_pool, size: 1000}",
    ],
)
def test_what_is_far_too_large_is_refused_before_it_is_written(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise AssertionError("it was written out")

    monkeypatch.setattr(Workshop, "write", write)
    assert told(net(layer, inputs="inputs: {shape: [40, 40]}\n"))[0].severity == "error"


def test_a_recurrent_layer_tells_all_its_mistakes() -> None:
    keys = (
        "units: 2, weights: {i: [[1, x], [2, 1]], f: [[1]], g: [[1, 2], [1, 2]]}, "
        "recurrent: {i: [[1, 2]], f: hello, q: [1]}, biases: {i: [1], f: [yes, 1], g: 3}, "
        "initial: {a: [1, 2, 3], c: [q, 1]}, returns: most"
    )
    text = net(
        f"{{kind: lstm, {keys}}}", "{activation: sigmod, weights: [[1, 2]]}", inputs=SEQUENCE
    )
    found = [(each.code, marked(each)) for each in told(text)]
    assert found == [
        ("missing-key", "weights"),
        ("not-a-number", "x"),
        ("shape", "[[1]]"),
        ("missing-key", "recurrent"),
        ("shape", "[[1, 2]]"),
        ("not-a-list", "hello"),
        ("unknown-key", "q"),
        ("shape", "[1]"),
        ("not-a-number", "yes"),
        ("not-a-list", "3"),
        ("shape", "[1, 2, 3]"),
        ("not-a-number", "q"),
        ("unknown-choice", "most"),
        ("unknown-activation", "sigmod"),
    ]


def marked(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    assert span is not None
    return span.source.text[span.start : span.end]


@pytest.mark.parametrize(
    ("equations", "place"),
    [
        ("{S: Q @ Q, M: causal_mask(S), A: softmax(M), L: sum(A)}", "M"),
        ("{S: Q @ Q, M: causal_mask(S), A: 'sum(2 * log_softmax(M, axis=-1))'}", "M"),
        ("{S: Q @ Q, M: causal_mask(2), A: softmax(S + M), L: sum(A)}", None),
        ("{S: Q @ Q, M: S + causal_mask(S), A: softmax(M), L: sum(A)}", None),
        ("{S: Q @ Q, A: softmax(causal_mask(S)), L: sum(A)}", None),
    ],
)
def test_a_mask_in_the_place_of_its_scores_is_pointed_at(equations: str, place: str | None) -> None:
    text = f"title: t\nequations: {equations}\nparameters: {{Q: [[1, 2], [0, 1]]}}\n"
    found = [each for each in told(text) if "mask" in each.message]
    assert [marked(each) for each in found] == ([place] if place else [])
    assert all(each.help == "write `M: S + causal_mask(S)`" for each in found)
