"""Documents written by hand that hold one of everything, for the tests of all renderers."""

from __future__ import annotations

import math

from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Matrix,
    Name,
    Negative,
    Number,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.formula.spelling import Glyph, Lettering, spell
from backprop_cli.worksheet.document import (
    Answers,
    AnswerSpace,
    Bullets,
    Callout,
    Column,
    Curve,
    Derivation,
    DerivationLine,
    Diagram,
    DiagramEdge,
    DiagramNode,
    Document,
    Heading,
    Listing,
    Math,
    Paragraph,
    Relation,
    Series,
    Table,
    Text,
    numeral,
)

HOSTILE = (
    "<script>alert(1)</script> & \\input{x} $x$ _a_ *b* |c| `d` [link](javascript:0) "
    "[red]rich[/] #panic() @ref ~ ^ % {e} \x1b[31mred\x07 \u202eevil ::error:: \u4e2d\u6587 ]]> --> '\""
)


def layered(name: str) -> Glyph:
    return spell(name, Lettering(layered=True))


def name(text: str) -> Name:
    return Name(text)


def number(text: str) -> Formula:
    return Negative(Number(text[1:])) if text.startswith("-") else Number(text)


def words(text: str) -> tuple[Text, ...]:
    return (Text(text),)


def weighted(*pairs: tuple[str, str], bias: str) -> Sum:
    return Sum((*(Product((name(a), name(b))) for a, b in pairs), name(bias)))


def numbers(*pairs: tuple[str, str], bias: str) -> Sum:
    return Sum((*(Product((number(a), number(b))) for a, b in pairs), number(bias)))


GIVEN = Table(
    (Column(words("quantity")), Column(words("value"), "decimal")),
    (
        ((Math(name("x1")),), numeral(number("6"))),
        ((Math(name("w1_1_1")),), numeral(number("0.42"))),
        ((Math(name("b1_1")),), numeral(number("-0.0468"))),
        ((Math(name("w2_1_1")),), numeral(number("1.2e-5"))),
        ((Text("η"), Text(" (learning rate)")), numeral(number("0.7"))),
    ),
    caption=words("What is given"),
)

FORWARD = Table(
    (
        Column(words("unit")),
        Column(words("formula"), wrap=True),
        Column(words("with numbers"), wrap=True),
        Column(words("value"), "decimal"),
    ),
    (
        (
            (Math(name("z1_1")),),
            (Math(weighted(("w1_1_1", "x1"), ("w1_1_2", "x2"), ("w1_1_3", "x3"), bias="b1_1")),),
            (Math(numbers(("0.42", "6"), ("0.72", "2"), ("0.21", "5"), bias="0.01")),),
            numeral(number("5.02")),
        ),
        (
            (Math(name("a1_1")),),
            (Math(Call("relu", (name("z1_1"),))),),
            (Math(Call("relu", (number("5.02"),))),),
            numeral(number("5.02")),
        ),
        (
            (Math(name("z1_2")),),
            (Math(weighted(("w1_2_1", "x1"), ("w1_2_2", "x2"), ("w1_2_3", "x3"), bias="b1_2")),),
            (Math(numbers(("0.11", "6"), ("-0.30", "2"), ("0.65", "5"), bias="-0.01")),),
            numeral(number("-4.52")),
        ),
        (
            (Math(name("yhat")),),
            (Math(Call("sigmoid", (name("z3_1"),))),),
            (Math(Quotient(number("1"), Sum((number("1"), Call("exp", (number("-1.0174"),)))))),),
            numeral(number("0.734")),
        ),
        (
            (Math(name("L")),),
            (Math(Product((number("0.5"), Sum((name("y"), Negative(name("yhat"))))))),),
            numeral(number("0.0353")),
            numeral(number("1.2e-5")),
        ),
    ),
)


def one_minus(what: Formula) -> Sum:
    return Sum((number("1"), Negative(what)))


CHAIN = Derivation(
    (
        DerivationLine(
            name("dL/dw3_1_1"),
            "=",
            Product((name("dL/dyhat"), name("dyhat/dz3_1"), name("dz3_1/dw3_1_1"))),
        ),
        DerivationLine(
            None,
            "=",
            Product(
                (
                    Sum((name("yhat"), Negative(name("y")))),
                    name("yhat"),
                    one_minus(name("yhat")),
                    name("a2_1"),
                )
            ),
        ),
        DerivationLine(
            None,
            "=",
            Product(
                (
                    Sum((number("0.734"), Negative(number("1")))),
                    number("0.734"),
                    one_minus(number("0.734")),
                    number("0.901"),
                )
            ),
        ),
        DerivationLine(None, "≈", number("-0.0468")),
    )
)


def path(unit: int) -> Product:
    return Product(
        (
            name("dL/dyhat"),
            name("dyhat/dz3_1"),
            name(f"dz3_1/da2_{unit}"),
            name(f"da2_{unit}/dz2_{unit}"),
            name(f"dz2_{unit}/da1_1"),
            name("da1_1/dz1_1"),
            name("dz1_1/dw1_1_1"),
        )
    )


PATHS = Derivation(
    (
        DerivationLine(name("dL/dw1_1_1"), "=", path(1), (Text("via "), Math(name("a2_1")))),
        DerivationLine(None, "+", path(2), (Text("via "), Math(name("a2_2")))),
        DerivationLine(
            None,
            "=",
            Product(
                (
                    Sum(
                        (
                            Product((name("dL/dz2_1"), name("w2_1_1"))),
                            Product((name("dL/dz2_2"), name("w2_2_1"))),
                        )
                    ),
                    Call("relu'", (name("z1_1"),)),
                    name("x1"),
                )
            ),
            words("factored"),
        ),
        DerivationLine(None, "≈", number("-0.00305")),
    )
)

MATRICES = Derivation(
    (
        DerivationLine(
            Shown("shape", (name("z1"), name("2"), name("1"))),
            "=",
            Sum(
                (
                    Shown(
                        "matmul",
                        (
                            Shown(
                                "shape",
                                (
                                    Matrix(
                                        (
                                            (name("w1_1_1"), name("w1_1_2")),
                                            (name("w1_2_1"), name("w1_2_2")),
                                        )
                                    ),
                                    name("2"),
                                    name("2"),
                                ),
                            ),
                            Shown(
                                "shape",
                                (Matrix(((name("x1"),), (name("x2"),))), name("2"), name("1")),
                            ),
                        ),
                    ),
                    Shown(
                        "shape", (Matrix(((name("b1_1"),), (name("b1_2"),))), name("2"), name("1"))
                    ),
                )
            ),
        ),
        DerivationLine(
            None,
            "=",
            Shown(
                "hadamard",
                (
                    Shown("matmul", (Shown("transpose", (name("W2"),)), name("delta2"))),
                    name("g1"),
                ),
            ),
        ),
    )
)

UPDATE = Table(
    (
        Column(words("parameter")),
        Column(words("old"), "decimal"),
        Column(words("gradient"), "decimal"),
        Column(words("old − η·gradient"), wrap=True),
        Column(words("new"), "decimal"),
    ),
    tuple(
        (
            (Math(name(parameter)),),
            numeral(number(old)),
            numeral(number(gradient)),
            (Math(Sum((number(old), Negative(Product((number("0.7"), number(gradient))))))),),
            numeral(number(new)),
        )
        for parameter, old, gradient, new in (
            ("w3_1_1", "0.61", "-0.0468", "0.6428"),
            ("w3_1_2", "0.39", "-0.05188", "0.4263"),
            ("b3_1", "0.08", "-0.05193", "0.1164"),
            ("w1_1_1", "0.42", "1.2e-5", "0.419992"),
        )
    ),
)

SIGMA = Call("sigmoid", (name("z"),))
SIGMOID = Curve(
    (
        Series((Math(SIGMA),), tuple((x / 4, 1 / (1 + math.exp(-x / 4))) for x in range(-24, 25))),
        Series(
            (Math(Call("sigmoid'", (name("z"),))),),
            tuple((x / 4, math.exp(-x / 4) / (1 + math.exp(-x / 4)) ** 2) for x in range(-24, 25)),
        ),
    ),
    (Math(name("z")),),
    words("value"),
    words("Sigmoid and its slope"),
    words("The sigmoid rises from 0 to 1; its slope is largest, ¼, at z = 0."),
)

LOSS = Curve(
    (Series(words("loss"), tuple((float(n), 0.0353 * 0.8**n) for n in range(20))),),
    words("update"),
    (Math(name("L")),),
    words("Loss over the run"),
    words("The loss falls from 0.0353 to 0.0005."),
)

NETWORK = Diagram(
    (
        DiagramNode(name("x1"), 0, 0, "input", number("6")),
        DiagramNode(name("x2"), 0, 1, "input", number("2")),
        DiagramNode(name("x3"), 0, 2, "input", number("5")),
        DiagramNode(name("a1_1"), 1, 0.5, "hidden", number("5.02"), number("-0.0005")),
        DiagramNode(name("a1_2"), 1, 1.5, "hidden", number("4.52"), number("-0.0025")),
        DiagramNode(name("a2_1"), 2, 0.5, "hidden", number("0.9011"), number("-0.0317")),
        DiagramNode(name("a2_2"), 2, 1.5, "hidden", number("0.9935"), number("-0.0202")),
        DiagramNode(name("yhat"), 3, 1, "output", number("0.734"), number("-0.266")),
        DiagramNode(name("L"), 4, 1, "loss", number("0.0353")),
    ),
    (
        *(
            DiagramEdge(start, end, name(f"w1_{end - 2}_{start + 1}"), number(value))
            for (start, end), value in zip(
                [(s, e) for e in (3, 4) for s in (0, 1, 2)],
                ("0.42", "0.72", "0.21", "0.11", "0.30", "0.65"),
                strict=True,
            )
        ),
        *(
            DiagramEdge(start, end, name(f"w2_{end - 4}_{start - 2}"), number(value))
            for (start, end), value in zip(
                [(s, e) for e in (5, 6) for s in (3, 4)],
                ("0.17", "0.29", "0.91", "0.08"),
                strict=True,
            )
        ),
        DiagramEdge(5, 7, name("w3_1_1"), number("0.61")),
        DiagramEdge(6, 7, name("w3_1_2"), number("0.39")),
        DiagramEdge(7, 8),
    ),
    words("Two hidden layers"),
    words("Three inputs lead to two ReLU units, these to two sigmoid units, these to one output."),
)

SHEET = Document(
    "Two hidden layers, one training step",
    (
        Heading(2, words("Given")),
        Paragraph(
            (
                Text("Full precision is carried; "),
                Text("4 significant digits", "strong"),
                Text(" are shown. The name in an answer file is "),
                Text("dL/dw3_1_1", "code"),
                Text(" for "),
                Math(name("dL/dw3_1_1")),
                Text(", see "),
                Text("names", "emphasis"),
                Text("."),
            )
        ),
        GIVEN,
        NETWORK,
        Heading(2, words("Forward pass")),
        FORWARD,
        Callout(
            "note",
            (
                Text("A bias always has the input 1, so its gradient is the unit's error: "),
                Relation(name("dL/db3_1"), "=", name("dL/dz3_1")),
                Text("."),
            ),
        ),
        Callout(
            "warning",
            (
                Relation(name("z1_2"), "<", number("0")),
                Text(", so this ReLU is off."),
            ),
        ),
        Heading(2, words("Gradients")),
        Heading(3, (Text("Output layer, unit "), Math(name("z3_1")))),
        CHAIN,
        PATHS,
        MATRICES,
        Heading(2, words("Update")),
        UPDATE,
        Bullets(
            (
                (Text("loss before: "), Relation(name("L"), "≈", number("0.0353"))),
                (Text("loss after: "), Relation(name("L"), "≈", number("0.0341"))),
            )
        ),
        Heading(2, words("To look at")),
        SIGMOID,
        LOSS,
        Heading(2, words("Your answers")),
        Answers(
            (
                AnswerSpace(name("z1_1"), "z1_1"),
                AnswerSpace(name("dL/dw3_1_1"), "dL/dw3_1_1", 3),
            )
        ),
        Listing('yhat: 0.73\n  - "a  b"   # `x`\n\n[1, 2]', "yaml"),
    ),
    layered,
)


def hostile() -> Document:
    """Every place that holds words, holding hostile ones."""
    line = words(HOSTILE)
    points = ((0.0, 0.0), (1.0, math.inf), (2.0, 1.0), (3.0, math.nan), (4.0, 2.0))
    return Document(
        HOSTILE,
        (
            Heading(2, line),
            Paragraph(line),
            Paragraph((Text(HOSTILE, "code"), Text(HOSTILE, "strong"), Text(HOSTILE, "emphasis"))),
            Bullets((line,)),
            Table((Column(line), Column(line, "decimal", True)), ((line, line),), line),
            Derivation((DerivationLine(name("a"), "=", name("b"), line),)),
            Callout("warning", line),
            Curve((Series(line, points), Series(words("two"), points)), line, line, line, line),
            Diagram(
                (
                    DiagramNode(name("a"), 0, 0, "input", name(HOSTILE), name(HOSTILE)),
                    DiagramNode(name("b"), 1, 0, "loss"),
                ),
                (DiagramEdge(0, 1, name("w"), name(HOSTILE)),),
                line,
                line,
            ),
            Answers((AnswerSpace(name("a"), HOSTILE, 2),)),
            Listing(HOSTILE + "\n" + HOSTILE),
        ),
        spell,
    )
