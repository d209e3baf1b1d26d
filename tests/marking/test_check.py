"""Marking as a whole: what is asked, points, passing, updates, names, follow-through."""

from __future__ import annotations

import pickle
from fractions import Fraction
from math import log
from pathlib import Path
from typing import Any

import pytest

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.asked import matches
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import AnswerResult, SubmissionReport
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.read import read_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
PROBLEM = """\
title: One neuron
inputs: [2]
targets: [1]
layers: [{activation: identity, weights: [[0.5]], biases: [0.25]}]
loss: half_squared_error
learning_rate: 0.5
"""
RIGHT = {
    "z1_1": "1.25",
    "yhat": "1.25",
    "L": "0.03125",
    "dL/dw1_1_1": "0.5",
    "dL/db1_1": "0.25",
    "w1_1_1_new": "0.25",
    "b1_1_new": "0.125",
}
RIGHT_NAMES = [name.replace("/", "__") for name in RIGHT]


def checker(extra: str = "", **options: Any) -> Checker:
    return Checker(read_problem("neuron.yaml", PROBLEM + extra), **options)


def submission(**changes: str | None) -> Submission:
    answers = {**RIGHT, **{name.replace("__", "/"): text for name, text in changes.items()}}
    rows = "".join(f"  {name}: {text}\n" for name, text in answers.items() if text is not None)
    return parse_submission("s1.yaml", f"answers:\n{rows}")


def verdicts(report: SubmissionReport) -> dict[str, str]:
    return {answer.name: answer.verdict for answer in report.answers}


def test_everything_right() -> None:
    report = checker().mark(submission())
    assert (report.student, report.score, report.max_score, report.passed) == ("s1", 7, 7, True)
    assert list(verdicts(report)) == list(RIGHT)
    assert report.first_slip is None


def test_missing_answers_and_names_beyond_the_sheet() -> None:
    report = checker().mark(submission(L=None, z9="3"))
    assert verdicts(report) == {
        **dict.fromkeys(RIGHT, "correct"),
        "L": "missing",
        "z9": "unknown",
    }
    assert list(verdicts(report))[-1] == "z9"
    assert (report.score, report.max_score, report.passed) == (6, 7, False)


def test_unknown_names_come_with_the_nearest() -> None:
    (answer,) = [
        a for a in checker().mark(submission(dL__dw1_1_2="3")).answers if a.verdict == "unknown"
    ]
    assert "dL/dw1_1_1" in answer.feedback


def test_what_is_not_asked_is_marked_and_earns_nothing() -> None:
    report = checker().mark(submission(dL__dyhat="0.25", dL__dz1_1="-0.25"))
    extra = {a.name: a for a in report.answers if not a.max_points}
    assert {name: a.verdict for name, a in extra.items()} == {
        "dL/dyhat": "correct",
        "dL/dz1_1": "wrong",
    }
    assert report.score == 7


FROM_THE_WRONG_SIGN = {
    "dL__dw1_1_1": "-0.5",
    "dL__db1_1": "-0.25",
    "w1_1_1_new": "0.75",
    "b1_1_new": "0.375",
}


def test_a_slip_in_working_that_earns_nothing_costs_one_mark_all_the_same() -> None:
    unwritten = checker().mark(submission(**FROM_THE_WRONG_SIGN))
    shown = checker().mark(submission(dL__dz1_1="-0.25", **FROM_THE_WRONG_SIGN))
    worthless = checker("marking: {ask: [forward, loss, 'd*', update], points: {dL/dz1_1: 0}}\n")
    given = {"dL__dyhat": "0.25", "dL__dz1_1": "-0.25", **FROM_THE_WRONG_SIGN}
    assert (unwritten.score, shown.score) == (6, 6)
    assert worthless.mark(submission(**given)).score == 7  # of 8
    first = by_name(shown)["dL/dw1_1_1"]
    assert (first.verdict, first.points) == ("follow_through", 0)
    assert "the slip at dL/dz1_1 is counted here" in first.feedback


@pytest.mark.parametrize(
    ("marking", "score", "most"),
    [
        ("ask: [loss]", 1, 1),
        ("ask: [gradient, 'z*']", 3, 3),
        ("ask: ['*_new']", 2, 2),
        ("ask: [backward]", 0, 2),
        ("points: {'dL/*': 2}", 9, 9),
        ("points: {gradient: 0.5, L: 3}", 8, 8),
    ],
)
def test_what_is_asked_and_its_points(marking: str, score: float, most: float) -> None:
    report = checker(f"marking: {{{marking}}}\n").mark(submission())
    assert (report.score, report.max_score) == (score, most)


ROUNDED = PROBLEM.replace("identity", "sigmoid")
"""z is 1.25, ŷ 0.77730, L 0.024797: the outputs are no short decimals."""


def rounded(extra: str = "", **options: Any) -> Checker:
    return Checker(read_problem("rounded.yaml", ROUNDED + extra), **options)


def test_shares_of_credit_and_passing() -> None:
    slip = parse_submission("s.yaml", "answers: {z1_1: 1.50, yhat: 0.835, L: 0.0136}")
    whole = rounded().mark(slip)
    assert list(verdicts(whole).values())[:3] == ["wrong", "imprecise", "follow_through"]
    strict = rounded("marking: {follow_through: 0.25, imprecise: 0, pass: 0.03}\n").mark(slip)
    assert (whole.score, strict.score) == (1.5, 0.25)
    assert strict.passed


def test_tolerance_and_pass_mark_from_outside() -> None:
    near = parse_submission("s.yaml", "answers: {z1_1: 1.25, yhat: 0.7900}")
    assert verdicts(rounded().mark(near))["yhat"] == "imprecise"
    assert verdicts(rounded(tolerance=0.02).mark(near))["yhat"] == "correct"
    wider = rounded("marking: {tolerance: {relative: 0.02}}\n")
    assert verdicts(wider.mark(near))["yhat"] == "correct"
    assert not rounded().mark(near).passed
    assert rounded(pass_mark=Fraction(1, 5)).mark(near).passed


def test_what_is_exact_has_no_tolerance() -> None:
    """Nothing had to be rounded on this sheet: a number that is one off is another number."""
    assert verdicts(checker(tolerance=0.02).mark(submission(z1_1="1.26")))["z1_1"] == "wrong"


def test_no_value_is_given_away_unless_revealed() -> None:
    wrong = submission(z1_1="1.00", dL__dw1_1_1="-0.5", w1_1_1_new="0.75")
    for answer in checker().mark(wrong).answers:
        assert answer.expected is None
        assert answer.expected_from_own_work is None
        for value in RIGHT.values():
            assert value not in answer.feedback
    revealed = checker(reveal=True).mark(wrong).answers
    assert [answer.expected for answer in revealed] == [float(text) for text in RIGHT.values()]
    assert revealed[1].expected_from_own_work == 1.0


def test_a_number_that_is_exact_leaves_no_room_to_what_follows() -> None:
    hidden = PROBLEM.replace(
        "identity, weights: [[0.5]], biases: [0.25]", "tanh, weights: [[-0.05]]"
    )
    exact = Checker(read_problem("tanh.yaml", hidden))  # z = −0.1, so a = −0.0997
    half = exact.mark(parse_submission("s.yaml", "answers: {z1_1: -0.1, yhat: -0.0498}"))
    assert by_name(half)["yhat"].verdict == "wrong"


def test_a_sign_lost_in_copying_does_not_spoil_the_working_behind_it() -> None:
    """z is 0.0300, or 0.0312 from activations rounded to two digits: too far off to be right in
    itself, and far from what follows from the activation as it stands in the answers."""
    text = """\
inputs: [1]
targets: [1]
layers:
  - {activation: tanh, weights: [[1.1], [-0.3], [0.2]]}
  - {activation: identity, weights: [[0.3, 0.92, 0.04]], biases: [0.05]}
loss: squared_error
"""
    made = Checker(read_problem("tanh.yaml", text))  # a = 0.8005, −0.2913, 0.1974; z = 0.0300
    own = "a1_1: 0.80, a1_3: 0.20, z2_1: 0.0312"  # 0.3·0.80 − 0.92·0.29 + 0.04·0.20 + 0.05
    lost = made.mark(parse_submission("s.yaml", f"answers: {{a1_2: 0.29, {own}}}"))
    kept = made.mark(parse_submission("s.yaml", f"answers: {{a1_2: -0.29, {own}}}"))
    assert by_name(lost)["a1_2"].verdict == "wrong"
    assert by_name(kept)["z2_1"].verdict == by_name(lost)["z2_1"].verdict == "correct"


def test_infinity_everywhere_earns_nothing() -> None:
    made = checker("training: {steps: 2, optimizer: momentum}\n")
    text = "".join(
        f"  - {{{', '.join(f'{key.structure.names[slot]}: inf' for slot in key.asked)}}}\n"
        for key in made.keys
    )
    assert made.mark(parse_submission("s.yaml", f"iterations:\n{text}")).score == 0


@pytest.mark.parametrize("number", ["7.7777", "2.0", "0.7"])
def test_the_same_number_everywhere_follows_from_nothing(number: str) -> None:
    assert checker().mark(submission(**dict.fromkeys(RIGHT_NAMES, number))).score == 0
    honest = submission(z1_1="2.0", yhat="2.0", L="0.5", dL__dw1_1_1="2.0", dL__db1_1="1.0")
    assert verdicts(checker().mark(honest))["yhat"] == "follow_through"


def test_what_comes_later_is_no_stray_factor() -> None:
    clipped = checker("training: {clip: {norm: 0.1}}\n")  # the factor is 0.1789
    marked = by_name(clipped.mark(submission(dL__dyhat="0.04472", clip="0.1789")))
    assert marked["dL/dyhat"].verdict == "wrong"
    assert marked["dL/dyhat"].mistake is None


def test_a_name_and_its_alias_are_one_answer() -> None:
    report = checker().mark(submission(a1_1="1.35"))
    (twice,) = [a for a in report.answers if a.verdict == "unreadable"]
    assert "given twice" in twice.feedback
    assert verdicts(checker().mark(submission(a1_1="1.25"))) == verdicts(
        checker().mark(submission())
    )


def test_the_same_slip_again_is_charged_once_unless_asked_otherwise() -> None:
    wrong_way = submission(w1_1_1_new="0.75", b1_1_new="0.375")
    once = by_name(checker().mark(wrong_way))
    assert [once[name].points for name in ("w1_1_1_new", "b1_1_new")] == [0, 1]
    assert once["b1_1_new"].verdict == "follow_through"
    assert once["b1_1_new"].same_as == "w1_1_1_new"
    each = by_name(checker("marking: {repeated: each}\n").mark(wrong_way))
    assert [each[name].points for name in ("w1_1_1_new", "b1_1_new")] == [0, 0]


def test_a_right_formula_with_a_wrong_number_earns_its_method() -> None:
    both = submission(L="(yhat - 1)^2/2 = 0.0413")
    marked = by_name(checker("marking: {method: 0.25}\n").mark(both))["L"]
    assert marked.mistake is not None
    assert (marked.mistake.code, marked.points) == ("formula-right", 0.25)


def test_a_checker_can_be_sent_to_another_process() -> None:
    made = checker(pass_mark=0.5, reveal=True)
    sent = pickle.loads(pickle.dumps(made))
    wrong = submission(z1_1="1.00", dL__dw1_1_1="-0.5")
    assert sent.mark(wrong) == made.mark(wrong)
    assert sent.head == made.head


def test_an_unreadable_file_scores_nothing_with_its_reason() -> None:
    files = [submission(), parse_submission("bad.yaml", b"\xff"), submission()]
    first, bad, last = map(checker().mark, files)
    assert (bad.score, bad.max_score, bad.passed) == (0, 7, False)
    assert "not UTF-8" in (bad.error or "")
    assert first.score == last.score == 7


def by_name(report: SubmissionReport, update: int = 1) -> dict[str, AnswerResult]:
    return {a.name: a for a in report.answers if a.iteration == update}


def test_updates_begin_with_the_students_own_parameters() -> None:
    made = checker("training: {steps: 2}\n")
    text = """\
iterations:
  - {z1_1: 1.25, yhat: 1.25, L: 0.03125, dL/dw1_1_1: 0.5, dL/db1_1: 0.25, w1_1_1_new: 0.75, b1_1_new: 0.125}
  - {z1_1: 1.625, yhat: 1.625, w1_1_1: 0.75}
"""
    report = made.mark(parse_submission("s.yaml", text))
    assert by_name(report)["w1_1_1_new"].mistake is not None
    assert by_name(report)["w1_1_1_new"].mistake.code == "ascent"  # type: ignore[union-attr]
    second = by_name(report, 2)
    assert second["z1_1"].verdict == "follow_through"
    assert second["yhat"].verdict == "follow_through"
    assert second["L"].verdict == "missing"
    assert report.max_score == 14


def test_more_updates_than_are_asked_for() -> None:
    text = "iterations:\n  - {z1_1: 1.25}\n  - {z1_1: 1.25, yhat: 3}\n"
    report = checker().mark(parse_submission("s.yaml", text))
    assert {answer.iteration for answer in report.answers} == {1}
    (said,) = report.remarks
    assert "asks for 1 update:" in said


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("dL/*", "dL/dw1_1_1", True),
        ("z?_1", "z2_1", True),
        ("z?_1", "z2_2", False),
        ("z1_1[2]", "z1_1[2]", True),
        ("z1_1[2]", "z1_12", False),
        ("z1_1", "z1_1[2]", True),
        ("z1_*", "z1_1[2]", True),
        ("*", "L", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


IN_A_BATCH = PROBLEM.replace("inputs: [2]\ntargets: [1]\n", "") + (
    "samples: [{inputs: [2], targets: [1]}, {inputs: [1], targets: [0]}]\n"
)


@pytest.mark.parametrize(
    "asked",
    [
        "'dL[2]/dw1_1_1'",
        "'dL/dw1_1_1[2]'",  # as it was called before
        "'dL[2]/dw*'",
    ],
)
def test_the_gradient_of_one_sample_is_asked_for_by_either_name(asked: str) -> None:
    source = IN_A_BATCH + f"marking: {{ask: [{asked}], points: {{{asked}: 3}}}}\n"
    made = Checker(read_problem("batch.yaml", source))
    # z = 0.5·1 + 0.25, ∂L[2]/∂w = (0.75 − 0)·1
    for name in ("dL[2]/dw1_1_1", "dL/dw1_1_1[2]", "∂L[2]/∂w₁₁⁽¹⁾"):
        report = made.mark(parse_submission("s1.yaml", f'answers: {{"{name}": 0.75}}'))
        assert (report.score, report.max_score) == (3, 3)
        assert report.answers[0].name == "dL[2]/dw1_1_1"


def test_a_pattern_without_marks_asks_for_samples_and_batch() -> None:
    source = IN_A_BATCH + "marking: {ask: ['dL/dw*']}\n"
    made = Checker(read_problem("batch.yaml", source))
    report = made.mark(parse_submission("s1.yaml", "answers: {}"))
    names = [answer.name for answer in report.answers]
    assert names == ["dL[1]/dw1_1_1", "dL[2]/dw1_1_1", "dL/dw1_1_1"]


@pytest.mark.parametrize(
    ("training", "name", "right", "wrong"),
    [
        # ½·0.1·0.5² in the loss; the hint of every kind of step is there.
        ("{l2: {value: 0.1, in_loss: true}}", "penalty", "0.0125", "0.5"),
        # w − 0.9·0.1, b − 0.9·0.1: at this point z = 0.41·2 + 0.16.
        (
            "{optimizer: {name: nesterov, look_ahead: true, initial: 0.1}}",
            "ahead_w1_1_1",
            "0.41",
            "0.3",
        ),
    ],
)
def test_penalties_and_look_ahead_points_are_marked(
    training: str, name: str, right: str, wrong: str
) -> None:
    made = checker(f"training: {training}\n")
    for text, verdict in ((right, "correct"), (wrong, "wrong")):
        report = made.mark(parse_submission("s1.yaml", f"answers: {{{name}: {text}}}"))
        assert verdicts(report)[name] == verdict


def test_the_pass_at_the_look_ahead_point_is_not_asked_for() -> None:
    made = checker("training: {optimizer: {name: nesterov, look_ahead: true}}\n")
    report = made.mark(parse_submission("s1.yaml", "answers: {}"))
    asked = [answer.name for answer in report.answers if "ahead" in answer.name]
    assert asked == ["ahead_w1_1_1", "ahead_b1_1", "dL/dahead_w1_1_1", "dL/dahead_b1_1"]


@pytest.mark.parametrize(
    ("text", "verdict"), [("5", "wrong"), ("1e9", "wrong"), ("inf", "correct")]
)
def test_no_number_is_near_infinity(text: str, verdict: str) -> None:
    problem = read_problem("p.yaml", "equations: {f: x/(x - 1)}\ngiven: {x: 1}\n")
    report = Checker(problem).mark(parse_submission("s1.yaml", f"answers: {{f: {text}}}"))
    assert verdicts(report)["f"] == verdict


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("0.2000", "decimal-slip"),  # also 2.000 with two digits exchanged
        ("8.000", "missing-path"),  # also 2.000 with another digit
    ],
)
def test_what_is_one_of_few_numbers_is_named_before_a_slip_of_the_pen(
    answer: str, code: str
) -> None:
    text = "equations: {q: x*y + v*w, L: q^2}\ngiven: {x: 2, y: 4, v: 3, w: -2}\n"
    submission = parse_submission("s.yaml", f"answers: {{q: '{answer}'}}")
    report = Checker(read_problem("q.yaml", text)).mark(submission)
    assert report.first_slip is not None
    assert report.first_slip.mistake is not None
    assert report.first_slip.mistake.code == code


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("(yhat - y)*yhat*(1 - yhat)*x1", "correct"),  # plain names
        ("(y - t)*y*(1 - y)*x1", "correct"),  # as the sheet shows them
        ("(yhat - t)*y*(1 - y)*x1", "correct"),
        ("(y - yhat)*yhat*(1 - yhat)*x1", "wrong"),
    ],
)
def test_what_the_sheet_shows_otherwise_is_read_by_either_name(text: str, verdict: str) -> None:
    problem = """\
title: One unit
inputs: [0.5, 2]
targets: [1]
notation: {symbols: {eta: alpha, y: t, yhat: y}}
layers: [{activation: sigmoid, weights: [[0.4, -0.3]], biases: [0.1]}]
loss: half_squared_error
learning_rate: 0.5
"""
    marker = Checker(read_problem("unit.yaml", problem))
    report = marker.mark(parse_submission("s.yaml", f"answers: {{dL/dw1_1_1: '{text}'}}"))
    assert verdicts(report)["dL/dw1_1_1"] == verdict


def test_the_letters_of_the_sheets_own_factored_form_are_read() -> None:
    text = (PROBLEMS / "relu-regression-symbolic.yaml").read_text(encoding="utf-8")
    marker = Checker(read_problem("relu.yaml", text))
    lines = (
        "dL/dw1: \"L_y{w7 ReLU'(z3) w3 + w8 ReLU'(z4) w4}ReLU'(z1) x\"",
        'dL/dw2: "L_y(w₇·ReLU′(z₃)·w₅ + w₈·ReLU′(z₄)·w₆) · ReLU′(z₂) · x"',
        "dL/db1: \"L_y(w7 ReLU'(z3) w3 - w8 ReLU'(z4) w4)ReLU'(z1)\"",
    )
    report = marker.mark(parse_submission("s.yaml", "answers:\n  " + "\n  ".join(lines)))
    found = verdicts(report)
    assert [found[name] for name in ("dL/dw1", "dL/dw2", "dL/db1")] == [
        "correct",
        "correct",
        "wrong",
    ]


def test_the_weights_of_another_unit_are_named_with_two_inputs_too() -> None:
    problem = """\
title: Two units
inputs: [1.7, -0.9]
targets: [1]
layers:
  - {activation: tanh, weights: [[0.41, 0.37], [0.23, -0.19]], biases: [0.11, 0.23]}
  - {activation: sigmoid, weights: [[0.4, -0.3]], biases: [0.1]}
loss: half_squared_error
"""
    marker = Checker(read_problem("units.yaml", problem))
    value = 0.23 * 1.7 - 0.19 * -0.9 + 0.11  # unit 2's weights, unit 1's bias
    report = marker.mark(parse_submission("s.yaml", f"answers: {{z1_1: {value:.3f}}}"))
    (found,) = (answer for answer in report.answers if answer.name == "z1_1")
    assert found.mistake is not None
    assert found.mistake.code == "wrong-operand"
    assert "weights of another unit" in found.mistake.message


def test_what_cancels_is_0_whatever_floats_make_of_it() -> None:
    problem = "equations: {f: ln(a) - ln(b) - ln(c)}\ngiven: {a: 6, b: 2, c: 3}\n"
    assert log(6) - log(2) - log(3) != 0
    for text, verdict in (("0", "correct"), ("1", "wrong"), ("0.0001", "wrong")):
        marker = Checker(read_problem("f.yaml", problem))
        report = marker.mark(parse_submission("s.yaml", f"answers: {{f: {text}}}"))
        assert verdicts(report)["f"] == verdict


@pytest.mark.parametrize("update", ["first", "١", "12345", "-1", ""])
def test_a_table_with_updates_says_where_there_is_no_number(update: str) -> None:
    marker = checker()
    found = parse_submission("s.csv", f"iteration,name,value\n1,yhat,1.25\n{update},L,0.03\n")
    report = marker.mark(found)
    assert "the first column is the number of the update" in (report.error or "")


def test_new_values_under_the_old_names_are_asked_of_the_new_ones() -> None:
    """Where what stands there is an update, or its value; a given number misread stays one."""
    new = by_name(checker().mark(submission()))["w1_1_1_new"].given
    for written in (new, f"0.5 - 0.5*0.5 = {new}"):
        found = by_name(checker().mark(submission(w1_1_1=written, w1_1_1_new="")))
        assert found["w1_1_1_new"].verdict == "correct", written
        assert "w1_1_1" not in found
        assert found["w1_1_1_new"].read_as == "the new value"
    assert by_name(checker().mark(submission(w1_1_1="0.7", w1_1_1_new="")))["w1_1_1"].given == "0.7"


def test_gradients_turned_round_are_a_slip_where_no_update_adds_them() -> None:
    """With the error as target − output the step is added; without any update nothing makes up
    for the sign."""
    made = Checker(
        read_problem(
            "p.yaml",
            "{equations: {u: a*b, v: u - c, f: v^2}, given: {a: 3, b: -2, c: 4}}",
        )
    )
    right = {"u": "-6", "v": "-10", "f": "100", "df/da": "40", "df/db": "-60", "df/dc": "20"}
    for turned in (("df/da", "df/db", "df/dc"), ("df/da", "df/db"), ("df/dc",)):
        texts = {**right, **{name: str(-int(right[name])) for name in turned}}
        rows = tuple(Answer(name, (text,), 0, 0) for name, text in texts.items())
        report = made.mark(Submission("s.yaml", "s", (rows,)))
        assert report.score == report.max_score - 1
        assert not report.remarks


CIRCUIT = """
equations: {p: a*b, q: c + d, m: "max(p, q)", r: m^2, f: r - a*q}
given: {a: 3, b: -2, c: 4, d: 1}
"""


@pytest.mark.parametrize(
    ("answers", "score", "codes"),
    [
        (("10", "10"), 8, ["missing-path"]),  # the path through −a·q left out: 2m
        (("13", "13"), 8, ["sign-flipped"]),  # its sign turned round
        (("13", "10"), 7, ["sign-flipped", "missing-path"]),  # 10 is not 13, in one digit or two
        (("12", "12"), 8, []),
    ],
)
def test_a_slip_gives_whole_numbers_exactly(
    answers: tuple[str, str], score: float, codes: list[str]
) -> None:
    right = {"p": "-6", "q": "5", "m": "5", "r": "25", "f": "10", "df/da": "-5", "df/db": "0"}
    texts = {**right, "df/dc": answers[0], "df/dd": answers[1]}
    rows = tuple(Answer(name, (text,), 0, 0) for name, text in texts.items())
    report = Checker(read_problem("p.yaml", CIRCUIT)).mark(Submission("s.yaml", "s", (rows,)))
    wrong = [each for each in report.answers if each.verdict == "wrong"]
    assert [each.mistake.code for each in wrong if each.mistake] == codes
    assert report.score <= score
    assert report.score >= score - (not codes)  # what nothing explains may be charged again


def test_the_two_of_a_square_left_out_everywhere_is_one_idea() -> None:
    made = Checker(
        read_problem(
            "p.yaml",
            "{equations: {z: w1*x1 + w2*x2, R: '0.05*(w1^2 + w2^2)', L: (z - y)^2/2 + R},"
            " given: {x1: 1.3, x2: -0.6, y: 1}, parameters: {w1: 0.45, w2: -0.95}}",
        )
    )
    z = 0.45 * 1.3 + 0.95 * 0.6
    texts = {
        "z": z,
        "R": 0.05 * (0.45**2 + 0.95**2),
        "L": (z - 1) ** 2 / 2 + 0.05 * (0.45**2 + 0.95**2),
        "dL/dw1": (z - 1) * 1.3 + 0.05 * 0.45,
        "dL/dw2": (z - 1) * -0.6 + 0.05 * -0.95,
    }
    rows = tuple(Answer(name, (f"{value:.6g}",), 0, 0) for name, value in texts.items())
    report = made.mark(Submission("s.yaml", "s", (rows,)))
    assert report.score == report.max_score - 1


def test_divided_by_one_less_than_the_samples_is_one_idea() -> None:
    made = Checker(
        read_problem(
            "p.yaml",
            "{layers: [{weights: [[0.5]], activation: identity}], loss: half_squared_error,"
            " samples: [{inputs: [1.1], targets: [0.3]}, {inputs: [0.7], targets: [0.9]},"
            " {inputs: [-0.4], targets: [0.2]}], learning_rate: 0.1,"
            " training: {batch: all, reduction: mean}}",
        )
    )
    rows = [(1.1, 0.3), (0.7, 0.9), (-0.4, 0.2)]
    errors = [0.5 * x - y for x, y in rows]
    texts = {}
    for n, ((x, _), error) in enumerate(zip(rows, errors, strict=True), 1):
        texts |= {f"z1_1[{n}]": 0.5 * x, f"yhat[{n}]": 0.5 * x, f"L[{n}]": error**2 / 2}
        texts |= {f"dL[{n}]/dw1_1_1": error * x}
    gradient = sum(error * x for (x, _), error in zip(rows, errors, strict=True)) / 2
    texts |= {"L": sum(error**2 / 2 for error in errors) / 2}
    texts |= {"dL/dw1_1_1": gradient, "w1_1_1_new": 0.5 - 0.1 * gradient}
    answers = tuple(Answer(name, (f"{value:.6g}",), 0, 0) for name, value in texts.items())
    report = made.mark(Submission("s.yaml", "s", (answers,)))
    assert report.score == report.max_score - 1
    assert [a.name for a in report.answers if a.verdict == "wrong"] == ["L"]


def test_working_with_one_term_refutes_a_sign_in_a_sum_of_two() -> None:
    """A bias that two units share: −0.14·0.6 is the path through one of them; that it is also what
    comes of a sign, −0.14·1.2 + 0.14·0.6, is chance."""
    shared = Checker(
        read_problem(
            "shared.yaml",
            "inputs: 3\ntargets: [2]\nloss: half_squared_error\nlearning_rate: 0.1\nlayers:\n"
            "  - {activation: relu, weights: [[0.5], [-0.4]], biases: 1.5}\n"
            "  - {activation: identity, weights: [[0.6, 1.2]], biases: -0.3}\n",
        )
    )
    for working, code in (("-0.14*0.6*1 = -0.084", "missing-path"), ("-0.084", "sign-flipped")):
        report = shared.mark(parse_submission("s.yaml", f'answers: {{dL/db1: "{working}"}}\n'))
        (wrong,) = [each for each in report.answers if each.verdict == "wrong"]
        assert wrong.mistake is not None
        assert wrong.mistake.code == code
