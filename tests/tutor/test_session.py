"""The tutor without a terminal: every sheet can be worked, and help is worth what it should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import PROBLEMS

from backprop_cli import check, load, practice
from backprop_cli.formula import plain
from backprop_cli.formula.build import children
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Name, Number
from backprop_cli.formula.spelling import spell
from backprop_cli.tutor.session import NoSuchQuantity, Session
from backprop_cli.tutor.state import Record, State, read_state
from backprop_cli.worksheet.document import Document, Math, Paragraph, Relation

SHEETS = sorted(PROBLEMS.glob("*.yaml"))
NAMES = [path.stem for path in SHEETS]


def solution_of(session: Session) -> str:
    """What somebody who knows everything would type."""
    question = session.next
    assert question is not None
    iteration = session.run.iterations[question.iteration - 1]

    def typed(name: str) -> str:
        value = iteration.values[name] if name else 0
        if value is None:
            return plain.write(iteration.graph.step[name].formula)
        return f"{as_float(value):.12g}"

    return ", ".join(map(typed, question.entries))


@pytest.mark.parametrize("arrays", [False, True], ids=["entries", "arrays"])
@pytest.mark.parametrize("path", SHEETS, ids=NAMES)
def test_every_sheet_can_be_worked_to_the_end(path: Path, arrays: bool, tmp_path: Path) -> None:
    session = practice(path, arrays=arrays)
    asked = len(session.questions)
    for _ in range(asked):
        reply = session.answer(solution_of(session))
        assert reply.right, (reply, solution_of)
    assert session.next is None
    assert session.score == session.max_score
    assert session.passed
    homework = tmp_path / "homework.yaml"
    homework.write_text(session.state, encoding="utf-8")
    marks = check(load(path), homework)
    assert marks.error is None
    assert marks.score == marks.max_score


@pytest.mark.parametrize("path", SHEETS, ids=NAMES)
def test_values_shown_earn_nothing(path: Path) -> None:
    session = practice(path)
    while session.next is not None:
        session.show()
    assert session.score == 0
    assert session.report.score == session.report.max_score  # as answers they are right
    free = practice(path, free=True)
    while free.next is not None:
        free.show()
    assert free.score == free.max_score


def numbers_in(document: Document) -> list[float]:
    """The numbers of a hint, on the right of what it says."""
    found: list[float] = []
    for block in document.blocks:
        assert isinstance(block, Paragraph)
        for part in block.text:
            waiting = [part.right] if isinstance(part, Relation) else []
            while waiting:
                formula = waiting.pop()
                if isinstance(formula, Number):
                    found.append(float(formula.text))
                waiting.extend(children(formula))
    return found


@pytest.mark.parametrize("path", SHEETS, ids=NAMES)
def test_no_hint_gives_the_value_away(path: Path) -> None:
    """With every earlier value answered, no number of a hint is the one that is asked for.

    A constant of the formula itself (the ½ of a loss) may be it by chance.
    """
    session = practice(path, all_steps=True)
    while (question := session.next) is not None:
        iteration = session.run.iterations[question.iteration - 1]
        value = iteration.values[question.name]
        step = iteration.graph.step[question.name]
        own = {1.0, 0.0, 2.0, 0.5} | {
            abs(number) for number in numbers_in(_as_document(step.formula))
        }
        for _ in range(3):
            hint = session.hint()
            if value is not None and as_float(value) not in own:
                shown = {abs(number) for number in numbers_in(hint)} - own
                assert abs(as_float(value)) not in shown, (question, hint)
        session.answer(solution_of(session))


def _as_document(formula: Formula) -> Document:
    return Document("", (Paragraph((Relation(Name("x"), "=", formula),)),), spell)


@pytest.mark.parametrize("path", [path for path in SHEETS if "symbolic" in path.stem], ids=str)
def test_no_hint_is_the_formula_that_is_asked_for(path: Path) -> None:
    session = practice(path, all_steps=True)
    while (question := session.next) is not None:
        formula = session.graph.step[question.name].formula
        for _ in range(3):
            for block in session.hint().blocks:
                assert isinstance(block, Paragraph)
                assert not any(isinstance(part, Relation) for part in block.text)
                said = [part.formula for part in block.text if isinstance(part, Math)]
                assert formula not in said or isinstance(formula, Name | Number), question
        session.answer(solution_of(session))


def test_a_function_that_is_no_loss_has_no_target_to_look_at() -> None:
    reply = practice(load(PROBLEMS / "parabola-descent.yaml")).answer("3.21")
    assert not reply.right
    assert "put the numbers into its equation one by one" in reply.feedback
    assert "target" not in reply.feedback


def test_hints_come_from_the_step() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml", start="z2_1")
    first, second, third = (session.hint() for _ in range(3))
    assert numbers_in(first) == numbers_in(second) == []
    assert {0.05, 0.17, 0.29} <= set(numbers_in(third))
    assert not {5.02, 4.52} & set(numbers_in(third))  # a1_1 and a1_2 are not answered yet
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    for _ in range(4):
        session.answer(solution_of(session))
    third = [session.hint() for _ in range(3)][-1]
    assert sorted(numbers_in(third)) == [0.05, 0.17, 0.29, 4.52, 5.02]


def test_a_second_try_earns_half() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    assert session.answer("5.2").verdict == "wrong"
    assert session.next is not None
    assert session.next.name == "z1_1"
    reply = session.answer("5.02")
    assert (reply.verdict, reply.points, reply.wrong_tries) == ("correct", 0.5, 1)
    assert session.score == 0.5


def test_after_so_many_tries_the_next_one_is_asked() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml", tries=2)
    session.answer("5.2")
    session.answer("5.3")
    assert session.next is not None
    assert session.next.name == "z1_2"


def test_what_cannot_be_read_is_no_wrong_try() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    assert session.answer("5.02 +").verdict == "unreadable"
    assert session.answer("5.02").points == 1


def test_a_slip_is_named_and_carried_on() -> None:
    """The bias of the first unit forgotten; all the rest is right from that number."""
    session = practice(PROBLEMS / "own-numbers.yaml", tries=1)
    graph, values = session.run.iterations[0].graph, session.run.iterations[0].values
    own = {leaf.name: as_float(values[leaf.name] or 0) for leaf in graph.leaves}
    own["z1_1"] = as_float(values["z1_1"] or 0) - own["b1_1"]
    for step in graph.steps:
        own.setdefault(step.name, as_float(evaluate(step.formula, own.__getitem__)))
    replies = []
    while (question := session.next) is not None:
        replies.append(session.answer(f"{own[question.name]:.10g}"))
    assert replies[0].mistake is not None
    assert replies[0].mistake.code == "missing-bias"
    assert session.max_score - session.score == 1
    assert session.report.score == session.score


@pytest.mark.parametrize("path", SHEETS, ids=NAMES)
def test_one_slip_carried_on_costs_one_mark(path: Path) -> None:
    """The sign of the first gradient turned; all the rest is right from that number."""
    session = practice(path, tries=1)
    graph, values = session.run.iterations[0].graph, session.run.iterations[0].values
    known = {name: as_float(value) for name, value in values.items() if value is not None}
    asked = [question.name for question in session.questions]
    turned = next(
        (
            step.name
            for step in graph.section("gradient")
            if step.name in asked and abs(known.get(step.name, 0)) > 1e-3
        ),
        None,
    )
    if turned is None or len(session.run.iterations) > 1:
        pytest.skip("no numbers, no gradient, or several updates")
    own = {leaf.name: known[leaf.name] for leaf in graph.leaves}
    for step in graph.steps:
        value = as_float(evaluate(step.numeric or step.formula, own.__getitem__))
        own[step.name] = -value if step.name == turned else value
    while (question := session.next) is not None:
        session.answer(f"{own[question.name]:.10g}")
    assert session.max_score - session.score == 1
    assert session.report.score == session.score


def test_only_and_from() -> None:
    only = practice(PROBLEMS / "two-hidden-layers.yaml", only=["dL/dw3_*"])
    assert [question.name for question in only.questions] == ["dL/dw3_1_1", "dL/dw3_2_1"]
    later = practice(PROBLEMS / "two-hidden-layers.yaml", start="L")
    assert later.next is not None
    assert later.next.name == "L"
    later.back()
    assert later.next.name == "yhat"
    with pytest.raises(NoSuchQuantity, match="did you mean"):
        practice(PROBLEMS / "two-hidden-layers.yaml", start="dL/dw3_1_11")
    with pytest.raises(NoSuchQuantity):
        practice(PROBLEMS / "two-hidden-layers.yaml", only=["nothing"])


def test_local_derivatives_if_asked() -> None:
    names = [
        question.name
        for question in practice(PROBLEMS / "two-hidden-layers.yaml", all_steps=True).questions
    ]
    assert "dyhat/dz3_1" in names
    assert "dL/dz3_1" in names
    assert "dL/dz3_1" not in [
        q.name for q in practice(PROBLEMS / "two-hidden-layers.yaml").questions
    ]


def test_what_took_help_is_worth_doing_again() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    session.answer("5.02")
    session.hint()
    session.answer("4.52")
    session.answer("1")
    session.answer("5.02")
    session.show()
    assert [question.name for question in session.again()] == ["a1_2", "a1_1"]


# --- arrays -----------------------------------------------------------------------------------

ATTENTION = PROBLEMS / "attention.yaml"
Q = "[[0.5, -0.2], [0.1, 0.4], [0.6, 0.2]]"


def test_a_whole_array_is_one_question() -> None:
    session = practice(ATTENTION, arrays=True)
    assert session.next is not None
    assert (session.next.name, session.next.shape, len(session.next.entries)) == ("Q", (3, 2), 6)
    assert [each.name for each in session.questions[6:9]] == ["L", "dL/dWv", "dL/dWk"]
    for typed in (Q, f"Q = {Q}", "0.5 -0.2; 0.1 0.4; 0.6 0.2", "0.5, -0.2, 0.1, 0.4, 0.6, 0.2"):
        session = practice(ATTENTION, arrays=True)
        reply = session.answer(typed)
        assert (reply.verdict, reply.points, reply.max_points) == ("correct", 6, 6)
        assert f"  Q: {Q}\n" in session.state


def test_only_the_entries_that_were_wrong_lose_points() -> None:
    session = practice(ATTENTION, arrays=True)
    reply = session.answer("0.5 -0.2; 0.1 0.4; 0.6 0.3")
    assert reply.verdict == "wrong"
    assert reply.points == 5
    assert reply.feedback.startswith("5 of 6 entries are right. At Q_3_2: ")
    assert session.answer(Q).points == 5.5


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("[[0.5, 0.1, 0.6], [-0.2, 0.4, 0.2]]", "This is 2×3 where 3×2 belongs: transposed?."),
        ("1 2; 3", "This is 3 of the 3×2 entries that belong here."),
        ("[[1, 2], [3]]", "Its rows are not equally long."),
        ("X @ Wq", "This is 3 of the 3×2 entries that belong here."),
    ],
)
def test_an_array_of_another_shape_is_said_to_be_one(typed: str, why: str) -> None:
    session = practice(ATTENTION, arrays=True)
    reply = session.answer(typed)
    assert (reply.verdict, reply.feedback, reply.wrong_tries) == ("unreadable", why, 0)
    assert session.answer(Q).points == 6


def test_hints_on_an_array_are_its_rule_and_one_entry() -> None:
    session = practice(ATTENTION, arrays=True, start="dL/dWq")
    rule = [session.hint() for _ in range(2)][-1].blocks[-1]
    assert isinstance(rule, Paragraph)
    (relation,) = rule.text
    assert isinstance(relation, Relation)
    assert relation.left == Name("dL/dWq")
    assert "dL/dQ" in str(relation.right)
    assert str(session.why()).startswith("What stood on the left of a matrix product")


def test_arrays_and_entries_go_on_from_each_other(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    homework.write_text(f"answers:\n  Q: {Q}\n  K[1,2]: 0.1\n", encoding="utf-8")
    entries = practice(ATTENTION, answers=homework)
    assert entries.next is not None
    assert (entries.next.name, entries.score) == ("K_2_1", 7)
    assert "Q_3_2: 0.2\n" in entries.state.replace("  ", "")
    arrays = practice(ATTENTION, arrays=True, answers=homework)
    assert arrays.next is not None
    assert arrays.next.name == "K"
    assert arrays.given(arrays.next) == "[[…, 0.1], […, …], […, …]]"
    arrays.answer("0.3 0.1; -0.4 0.2; -0.1 0.3")
    assert arrays.state == (
        f"student:\nanswers:\n  Q: {Q}\n  K: [[0.3, 0.1], [-0.4, 0.2], [-0.1, 0.3]]\n"
    )
    one = practice(ATTENTION, arrays=True, only=["dL/dWq_1_2", "Z"])
    assert [question.name for question in one.questions] == ["Z", "dL/dWq_1_2"]


# --- the file it keeps ------------------------------------------------------------------------


@pytest.mark.parametrize("problem", ["two-hidden-layers", "line-fit-one-sample-at-a-time"])
def test_a_session_goes_on_from_its_file(problem: str, tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    session = practice(PROBLEMS / f"{problem}.yaml")
    session.answer("99")
    session.hint()
    session.skip()
    session.answer(solution_of(session))
    homework.write_text(session.state, encoding="utf-8")
    again = practice(PROBLEMS / f"{problem}.yaml", answers=homework)
    assert again.state == session.state
    assert again.next == session.next
    assert again.score == session.score
    assert again.record(session.questions[0]) == Record(wrong=1, hints=1)


def test_who_stopped_at_a_wrong_answer_is_asked_it_again(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    session.answer("5.02")
    session.answer("99")
    homework.write_text(session.state, encoding="utf-8")
    again = practice(PROBLEMS / "two-hidden-layers.yaml", answers=homework)
    assert again.next == session.next == session.questions[1]
    assert again.given(session.questions[1]) == "99"


def test_what_is_left_open_comes_again_at_the_end_and_a_session_goes_on_where_it_stopped(
    tmp_path: Path,
) -> None:
    only = ["z1_*", "a1_*", "yhat"]
    session = practice(PROBLEMS / "two-hidden-layers.yaml", only=only)
    session.answer("5.02")
    session.skip()
    session.answer("5.02")  # a1_1
    homework = tmp_path / "homework.yaml"
    homework.write_text(session.state, encoding="utf-8")
    for each in (
        session,
        practice(PROBLEMS / "two-hidden-layers.yaml", only=only, answers=homework),
    ):
        assert each.next is not None
        assert each.next.name == "a1_2"
        each.skip()
        each.show()
        assert each.next.name == "z1_2"
        each.skip()
        assert each.next.name == "a1_2"
        each.answer("4.52")
        assert each.next is None


def test_an_answer_to_another_question_is_no_try() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    reply = session.answer("z1_2 = 4.52")
    assert (reply.verdict, reply.wrong_tries) == ("unreadable", 0)
    assert reply.feedback == "You wrote z1_2; asked for is z1_1."
    assert session.answer("z1_1 = 5.02").points == 1
    later = practice(PROBLEMS / "two-hidden-layers.yaml", start="dL/db3_1", all_steps=True)
    assert later.answer("dL/dz3_1 = -0.05179").right  # its formula and its number


def test_a_file_may_write_names_in_its_own_way(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    homework.write_text("answers: {z₁⁽¹⁾: 5.02}\n", encoding="utf-8")
    session = practice(PROBLEMS / "two-hidden-layers.yaml", answers=homework)
    assert session.next == session.questions[1]
    assert "  z1_1: 5.02\n" in session.state


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        "\\frac{1}{2}",
        'say "no"',
        "a: b",
        "# not a comment",
        "- 1",
        "[1, 2]",
        "{a: 1}",
        "true",
        "1e-3",
        "∂L/∂w",
    ],
)
def test_whatever_is_typed_comes_back(text: str, tmp_path: Path) -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    session.answer(text)
    homework = tmp_path / "homework.yaml"
    homework.write_text(session.state, encoding="utf-8")
    assert read_state(homework).answers[1, "z1_1"] == (text,)


def test_a_hand_edited_file_is_read_for_what_makes_sense(tmp_path: Path) -> None:
    file = tmp_path / "homework.yaml"
    file.write_text(
        "student: 'a b'\nanswers: {z1_1: 5.02}\npractice:\n  - 7\n  - {name: z1_1, iteration: x}\n"
        "  - {name: z1_1, iteration: 1, wrong: -3, hints: 1e9, shown: maybe}\n",
        encoding="utf-8",
    )
    state = read_state(file)
    assert state.student == "a b"
    assert state.records == {(1, "z1_1"): Record()}
    assert read_state(tmp_path / "none.yaml") == State()


def test_the_state_is_plain_yaml() -> None:
    session = practice(PROBLEMS / "two-hidden-layers.yaml")
    session.answer("5.02\x1b[31m\n- x")
    assert "\x1b" not in session.state
    assert re.search(r"^  z1_1: '5\.02 \[31m - x'$", session.state, re.M)
