"""Answers on pages: blank sheets that were filled in, tables, and pages without any."""

from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backprop_cli.arrays.array import places as places_in
from backprop_cli.cli import app
from backprop_cli.cli.app import UsageProblem
from backprop_cli.formula import plain
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.views import all_views, layer_views
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.asked import updates_asked
from backprop_cli.marking.check import Checker
from backprop_cli.marking.reports.common import notices
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Iteration, Run, solve

ROOT = Path(__file__).parents[2]
PROBLEMS = sorted((ROOT / "problems").glob("*.yaml"))
HOMEWORK = str(ROOT / "problems" / "two-hidden-layers.yaml")
ROOM = {
    "markdown": (r"_{24} \((?:`|<code>)([^`< ]+)[^`<]*(?:`|</code>)\)", "md"),
    "rst": (r"\.{24} \((?:\\ )?(?:``|\*)([^`* ]+)[^`*]*(?:``|\*)(?:\\ )?\)", "rst"),
    "latex": (r"\\hrulefill\\quad \{\\small \\texttt\{([^ ]+?)(?: .*)?\}\}\\par", "tex"),
    "text": (r"_{40}(?:   ([^ ]+).*|\Z)", "txt"),
}


def worked(iteration: Iteration, name: str) -> str:
    """What the solution says of a quantity or an array, in full."""
    step = iteration.graph.step.get(name)
    value = iteration.values.get(name)
    if step is not None or value is not None:
        return plain.write(step.formula) if step and value is None else repr(as_float(value or 0))
    view = next(view for view in all_views(iteration.graph) if view.name == name)

    def rows(place: tuple[int, ...]) -> str:
        if len(place) < len(view.shape):
            return f"[{', '.join(rows((*place, i)) for i in range(view.shape[len(place)]))}]"
        entry = view.entries[list(places_in(view.shape)).index(place)]
        return worked(iteration, entry.name) if isinstance(entry, Name) and entry.name else "0"

    return rows(())


@pytest.mark.parametrize("format", ["markdown", "rst", "latex", "text"])
@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_a_blank_that_was_filled_in(path: Path, format: str) -> None:
    if format != "markdown" and len(path.stem) % 3:  # the notations share a reader
        return
    problem = read_problem(path)
    made = CliRunner().invoke(app, ["worksheet", str(path), "--format", format, "--width", "200"]
                              if format == "text" else ["worksheet", str(path), "--format", format])  # fmt: skip
    assert made.exit_code == 0, made.output
    run = solve(problem, show=updates_asked(problem))
    room, ending = ROOM[format]
    at = -1
    lines = []
    for line in made.stdout.split("\n"):
        at += re.search(r"(?:^[\s#]*|\{)Update \d", line) is not None
        if " =" in line.replace("$=", " =") and (space := re.search(room, line)):
            name = space[1] or line.partition(" =")[0].strip()
            name = re.sub(r"\\(?:allowbreak\{\})?", "", name)
            value = worked(run.iterations[max(at, 0)], name)
            end = line[space.end() :]
            line = line[: space.start()] + f" {value} " + space[0] + end
        lines.append(line)
    report = Checker(problem).mark(parse_submission(f"ada.{ending}", "\n".join(lines)))
    wrong = [each for each in report.answers if each.verdict != "correct" and each.max_points]
    assert report.error is None
    assert (report.score, wrong) == (report.max_score, [])


ROWS = {
    "bare": lambda rows: ["  ".join(row) for row in rows],
    "commas": lambda rows: [", ".join(row) for row in rows],
    "lists": lambda rows: [f"[{', '.join(row)}]" for row in rows],
    "one list": lambda rows: f"[{_NEXT.join(f'[{chr(44).join(row)}]' for row in rows)}]".split(
        "\n"
    ),
    "a fence": lambda rows: [f"⎢{' '.join(row)}⎥" for row in rows],
    "semicolons": lambda rows: ["; ".join(row).replace(".", ",") for row in rows],
    "in one line": lambda rows: ["; ".join(" ".join(row) for row in rows)],
    "typeset": lambda rows: [
        r"\begin{bmatrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{bmatrix}"
    ],
}
_NEXT = ",\n"


@cache
def blank(name: str, format: str) -> tuple[Run, Checker, str]:
    path = ROOT / "problems" / f"{name}.yaml"
    problem = read_problem(path)
    made = CliRunner().invoke(app, ["worksheet", str(path), "--format", format])
    return solve(problem, show=1), Checker(problem), made.stdout


@pytest.mark.parametrize("style", ROWS)
@pytest.mark.parametrize("format", ["text", "markdown", "rst"])
@pytest.mark.parametrize(
    "name", ["attention", "rnn-three-steps", "softmax-regression-batch", "conv-relu-pool-dense"]
)
def test_a_matrix_is_typed_row_below_row(name: str, format: str, style: str) -> None:
    """Into the lines that a blank sheet leaves for it, in each way that people write one."""
    run, checker, sheet = blank(name, format)
    room, ending = ROOM[format]
    waiting: list[str] = []
    lines = []
    for line in sheet.split("\n"):
        if " =" in line.replace("$=", " =") and (space := re.search(room, line)):
            name = (space[1] or line.partition(" =")[0].strip()).replace("\\", "")
            value = worked(run.iterations[0], name)
            cut = re.search(r"\((\d+)×(\d+)\)", line)
            if cut:
                columns = int(cut[2])
                flat = value.replace("[", "").replace("]", "").split(", ")
                rows = [flat[at : at + columns] for at in range(0, len(flat), columns)]
                value, *waiting = ROWS[style](rows)
                assert len(rows) == int(cut[1])
            line = f"{line[: space.start()]} {value} {space[0]}{line[space.end() :]}"
        elif waiting and line.strip() in ("&nbsp;", "|", "_" * 40):
            line = {"|": "| "}.get(line.strip(), "    ") + waiting.pop(0)
        lines.append(line)
    assert not waiting
    report = checker.mark(parse_submission(f"ada.{ending}", "\n".join(lines)))
    wrong = [each for each in report.answers if each.verdict != "correct" and each.max_points]
    assert (report.score, wrong) == (report.max_score, [])


def marks(page: str, file: str = "ada.md") -> dict[str, str]:
    report = Checker(read_problem(HOMEWORK)).mark(parse_submission(file, page))
    return {each.name: each.verdict for each in report.answers if each.verdict != "missing"}


@pytest.mark.parametrize(
    "head", ["Quantity | Value", "Name | Your answer", "Symbol | Result", "Term | My value"]
)
def test_the_head_of_a_table_is_no_answer(head: str) -> None:
    table = f"| {head} |\n|---|---|\n| z1_1 | 5.02 |\n\n| {head} |\n|---|---|\n| z1_2 | 4.52 |\n"
    right = {"z1_1": "correct", "z1_2": "correct"}
    assert marks(table) == right
    assert marks(f"{head.replace(' | ', ',')}\nz1_1,5.02\nz1_2,4.52\n", "ada.csv") == right


@pytest.mark.parametrize("own", ["error: yhat - y = -0.14", "Let e = y - yhat.", "e = 0.14"])
@pytest.mark.parametrize("first", [True, False])
def test_an_own_name_beside_the_loss_is_no_loss(own: str, first: bool) -> None:
    page = f"yhat = 1.86\n\n{own}\n\n" * first + "L = 0.0098\n\n" + f"{own}\n" * (not first)
    sheet = "inputs: [1]\ntargets: [2]\nlayers: [{activation: identity, weights: [[1.86]]}]\n"
    checker = Checker(read_problem("s.yaml", f"{sheet}loss: half_squared_error\n"))
    report = checker.mark(parse_submission("ada.md", page))
    (loss,) = [each for each in report.answers if each.name == "L"]
    assert (loss.verdict, loss.typed, loss.given) == ("correct", "", "0.0098")


def test_a_power_on_the_way_is_no_name() -> None:
    sheet = "equations: {q: a + b, r: q^2}\ngiven: {a: -1, b: 3}\n"
    checker = Checker(read_problem("s.yaml", sheet))
    report = checker.mark(parse_submission("ada.md", "q = a + b = 2\nr = q^2 = 4\n"))
    found = {each.name: each.verdict for each in report.answers if each.verdict != "missing"}
    assert found == {"q": "correct", "r": "correct"}


def test_a_page_of_lines_and_pictures() -> None:
    page = "# Mine\n\n```mermaid\ngraph LR\n  a[z1_1 = 7] --> b\n```\n\n- $z_1^{(1)}$ = 5.02\n- `z1_2`: 4.52\n"
    assert marks(page) == {"z1_1": "correct", "z1_2": "correct"}
    assert marks("```csv\nz1_1,5.02\n```\n") == {"z1_1": "correct"}


def test_pages_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cls"
    folder.mkdir()
    (folder / "c.md").write_text("| z1_1 | 5.02 |\n|---|---|\n")
    (folder / "carl.markdown").write_text("```yaml\nanswers: {z1_1: 5.02}\n```\n")
    (folder / "README.md").write_text("# How\n\nTo install: see 3 lines below.\n")
    (folder / "notes.txt").write_text("nothing = 3   here\n")
    told = CliRunner().invoke(app, ["check", HOMEWORK, str(folder), "--format", "json"])
    found = json.loads(told.stdout)["submissions"]
    assert [(each["student"], each["score"]) for each in found] == [("c", 1), ("carl", 1)]
    for idle in ("README.md", "notes.txt"):
        assert f"{folder / idle} was not read" in told.stderr
    for made in ("c.md", "carl.markdown"):
        (folder / made).unlink()
    told = CliRunner().invoke(app, ["check", HOMEWORK, str(folder)])
    assert told.exit_code == 2
    assert "there are no answer files in it" in told.stderr


def test_a_name_that_can_be_two(tmp_path: Path) -> None:
    report = Checker(read_problem(HOMEWORK)).mark(
        parse_submission("a.yaml", "answers: {a_21: 0.9015, z_11: 5.02, h1: 5.02, net2_1: 2.2}\n")
    )
    told = {each.name: each.feedback for each in report.answers if each.verdict == "unknown"}
    assert "a2_1 or a1_2" in told["a_21"]
    assert "a1_1 or a2_1 or yhat" in told["h1"]
    assert "mean z2_1?" in told["net2_1"]
    assert report.score == 1


@pytest.mark.parametrize(("name", "near"), [("h1", "`a1_1` or"), ("net1", "`z1_1` or"),
                                        ("out1", "`a1_1` or"), ("dL/dw11", "`dL/dw1_1_1` or")])  # fmt: skip
def test_only_asks_for_a_name_and_says_where_they_are(name: str, near: str) -> None:
    told = CliRunner().invoke(app, ["solve", HOMEWORK, "--only", name])
    assert isinstance(told.exception, UsageProblem)
    assert near in str(told.exception)
    assert "explain names" in str(told.exception)


def test_stress_takes_a_number_of_students() -> None:
    told = CliRunner().invoke(app, ["stress", HOMEWORK, "--students", "roster.csv"])
    assert isinstance(told.exception, UsageProblem)
    assert "a roster is for `backprop variant`" in str(told.exception)


def test_an_empty_folder_has_no_student(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["check", HOMEWORK, str(tmp_path)])
    assert told.exit_code == 2
    assert ": 0 of" not in told.stdout


def test_a_decimal_comma_in_braces(tmp_path: Path) -> None:
    problem = tmp_path / "p.yaml"
    problem.write_text("equations: {f: w*x + b}\ngiven: {x: 1}\nparameters: {w: 0,5, b: -1,5}\n")
    told = CliRunner().invoke(app, ["validate", str(problem)])
    assert told.exit_code == 2
    assert told.stderr.count("error[") == 2
    for comma, point in (("0,5", "0.5"), ("-1,5", "-1.5")):
        assert f"`{comma}`" in told.stderr
        assert f"write {point}" in told.stderr
    assert marks("answers: {z1_1: 5,02, z1_2: 4,52}\n", "a.yaml") == dict.fromkeys(
        ("z1_1", "z1_2"), "correct"
    )


def test_about_is_a_sign_between_name_and_value() -> None:
    assert marks("answers:\n  z1_1 ~ 5.02\n", "a.yaml") == {"z1_1": "correct"}


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_arrays_of_layers_are_answers(path: Path) -> None:
    problem = read_problem(path)
    run = solve(problem, show=1)
    graph, values = run.iterations[0].graph, run.iterations[0].values
    if (
        graph.arrays
        or not graph.units
        or any(values.get(step.name) is None for step in graph.steps)
    ):
        return
    checker = Checker(problem)
    for view in layer_views(graph):
        rows = [
            ", ".join(
                worked(run.iterations[0], e.name) if isinstance(e, Name) and e.name else "0"
                for e in row
            )
            for row in view.matrix.rows
        ]
        text = f"iterations: [{{{view.name}: [{', '.join(f'[{row}]' for row in rows)}]}}]\n"
        report = checker.mark(parse_submission("a.yaml", text))
        told = [each for each in report.answers if each.verdict not in ("missing", "correct")]
        assert all(each.given in ("0", "0.0") for each in told if each.verdict != "imprecise"), (
            text,
            told,
        )


HANDWRITTEN = (
    (Path(__file__).parent / "handwritten.txt").read_text(encoding="utf-8").split("=== ")[1:]
)
SHEET = (Path(__file__).parent / "dialect.md").read_text(encoding="utf-8").split("```yaml\n")[1]
SHEET = SHEET.split("```")[0]


@pytest.mark.parametrize("page", HANDWRITTEN, ids=[str(at) for at, _ in enumerate(HANDWRITTEN, 1)])
def test_a_page_is_read_as_a_person_reads_it(page: str) -> None:
    head, _, text = page.partition("\n")
    ending, bar, *wanted = head.split()
    problem = read_problem("s.yaml", SHEET)
    names = {(1, name) for name in wanted}
    if bar != "|":
        problem = read_problem(ROOT / "problems" / f"{bar}.yaml")
        run = solve(problem, show=updates_asked(problem))

        def value(found: re.Match[str]) -> str:
            update, name = int(found[1] or 1), found[2]
            names.add((update, name))
            return f"{as_float(run.iterations[update - 1].values[name] or 0):.4g}"

        text = re.sub(r"<(?:(\d):)?([A-Za-z]\w*[\w\[\]/]*)>", value, text)
    report = Checker(problem).mark(parse_submission(f"x.{ending}", text))
    found = {(a.iteration, a.name): a.verdict for a in report.answers if a.verdict != "missing"}
    assert {name: found.get(name) for name in names} == dict.fromkeys(names, "correct")
    assert set(found.values()) == {"correct"}
    assert bar != "|" or notices(report) == []


def test_numbers_in_a_program_are_answers() -> None:
    lines = ["z1_1 = 5.02  # worked out", "z1_2 = 0.1 + 4.42", "dw3_1_1 = 0"]
    page = "```python\n" + "\n".join(lines) + "\n```\n"
    right = {"z1_1": "correct", "z1_2": "correct"}
    assert marks(page) == {**right, "dL/dw3_1_1": "wrong"}
    assert parse_submission("a.md", page).remarks == ()
    page = page.replace("= 0\n", "= 0\nfor d in ds:\n    dw3_1_1 += d\n")
    assert marks(page) == right
    assert "read only as far as" in parse_submission("a.md", page).remarks[0]


def test_a_block_below_the_heading_of_an_update() -> None:
    page = "\n".join(f"## Update {n}\n```\nz = {n}*2 = {2 * n}\n```\n" for n in (1, 2))
    found = parse_submission("a.md", page).iterations
    assert [[each.texts for each in update] for update in found] == [[("1*2 = 2",)], [("2*2 = 4",)]]


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("z1_1 = 5.02 a1_1 = 5.02 z2_1 = 2.2142", {"z1_1", "a1_1", "z2_1"}),
        ("yhat = 0.73444 L = .03526", {"yhat", "L"}),
        ("a1_1 = 1 z1_1 = 5.02", {"a1_1"}),  # a product: a is made of z
    ],
)
def test_two_statements_without_a_sign_between_them(line: str, right: set[str]) -> None:
    assert marks(f"{line}\n") == dict.fromkeys(right, "correct")


def test_what_is_not_read_on_a_page_is_said() -> None:
    page = "```python\nz1_1 = w @ x + b\n```\n\nz1_2 = 4.52\n"
    assert marks(page) == {"z1_2": "correct"}
    assert parse_submission("a.md", page).remarks == (
        "The block of python from line 1 on was read not at all.",
    )
    assert marks("z1_1 = 5.02\n\nz1_9 = 3\n") == {"z1_1": "correct", "z1_9": "unknown"}
    assert marks("z1_1 = 5.02\n\nz1_1 = 5.03\n") == {"z1_1": "unreadable"}
    assert marks("a2_1 = 0.9015\n\na2_1 = 0.90\n") == {"a2_1": "correct"}  # the same, rounded


def test_updates_on_a_page() -> None:
    problem = read_problem(ROOT / "problems" / "two-hidden-layers-two-updates.yaml")
    run = solve(problem, show=updates_asked(problem))
    first, second = (worked(iteration, "z1_1") for iteration in run.iterations[:2])
    pages = (
        f"## Update 1\nz1_1 = {first}\n## Update 2\nz1_1 = {second}\n",
        f"| Quantity | Update 1 | Update 2 |\n|---|---|---|\n| z1_1 | {first} | {second} |\n",
        f"| Update | Quantity | Value |\n|---|---|---|\n| 1 | z1_1 | {first} |\n| 2 | z1_1 | {second} |\n",
        f"## Update 1\n```yaml\nz1_1: {first}\n```\n## Update 2\n```yaml\nz1_1: {second}\n```\n",
        f'## Update 2\n```json\n{{"z1_1": {second}}}\n```\n## Update 1\nz1_1 = {first}\n',
        f"**Iteration 1**\n\n- z1_1: {first}\n\n**Iteration 2**\n\n- z1_1: {second}\n",
    )
    for page in pages:
        report = Checker(problem).mark(parse_submission("a.md", page))
        assert [each.verdict for each in report.answers if each.given] == ["correct"] * 2, page


@pytest.mark.parametrize("part", ["a = 1\n", "*", "$$\n", "| a | 1 |\n", "```yaml\na: 1\n```\n", "\\boxed{{",
                                  "=\n", "<sub>", "a ... 1.0\n", "a = $b$ c\n", "# a (b = c) ", "a = 1 = b", "1111"])  # fmt: skip
def test_no_page_takes_long(part: str) -> None:
    start = time.process_time()
    parse_submission("a.md", (part * 100_000)[:100_000])
    assert time.process_time() - start < 3


def test_an_answer_whose_name_was_rubbed_out_on_a_blank_sheet() -> None:
    page = "## Forward\n\n$w = 3$\n\n$z_1^{(1)} =$ __5.02__ (`z1_1`)\n\n$z_2^{(1)} =$ 4.52\n\n"
    page += r"$\frac{\partial L}{\partial b_1^{(3)}} = -0.0518$"
    assert marks(page) == dict.fromkeys(("z1_1", "z1_2", "dL/db3_1"), "correct")


ARRAYS = """
equations: {z: W_v @ x + c, L: sum(z^2)}
given: {x: [2, -1]}
parameters: {W_v: [[0.5, -0.25], [1, 0.75]], c: [0.5, -1.5]}
learning_rate: 0.1
"""
# By hand: z = (1.75, -0.25), dL/dz = 2 z, dL/dW = dL/dz x^T, c − 0.1 dL/dz.
GRADIENT = "7 -3.5", "-1 0.5"
LINED = "\n".join(GRADIENT)


@pytest.mark.parametrize(
    "page",
    [
        *(
            f"{name} = [[7, -3.5], [-1, 0.5]]"
            for name in (
                r"$\frac{\partial L}{\partial W_v}$",
                r"$\frac{dL}{dWv}$",
                r"\partial L/\partial W_{v}",
                *(
                    "dL_dW_v",
                    "dE/dW_v",
                    "∂L/∂W^v",
                    "dLdW_v",
                    "grad_W_v",
                    "dW_v",
                    "dWv",
                    "∇_{W_v} L",
                ),
            )
        ),
        "$$\n\\begin{aligned}\n\\frac{\\partial L}{\\partial W_v} &= \\begin{bmatrix} 7 & -3.5 \\cr"
        " -1 & 0.5 \\end{bmatrix}\n\\end{aligned}\n$$",
        "dL/dW_v = 7 -3.5; -1 0.5",
        f"dL/dW_v =\n{LINED}",
        f"**dL/dW_v**:\n\n```\n{LINED}\n```",
        f"```\ndL/dW_v =\n{LINED}\n```\n",
        "dL/dW_v =\n[7  -3.5]\n[-1  0.5]",
        "dL/dW_v:\n\n| 7 | -3.5 |\n|---|---|\n| -1 | 0.5 |",
        "## dL/dW_v\n\n| | |\n|---|---|\n| 7 | -3.5 |\n| -1 | 0.5 |\n\nL = 3.125",
    ],
)
def test_a_whole_array_is_read_by_any_name_and_in_any_layout(page: str) -> None:
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(parse_submission("ada.md", page))
    found = {each.name: each.verdict for each in report.answers if each.verdict != "missing"}
    found.pop("L", "")
    assert found == {f"dL/dW_v_{i}_{j}": "correct" for i in (1, 2) for j in (1, 2)}


def test_columns_and_new_values_are_read_by_any_name() -> None:
    page = "dc =\n3.5\n-0.5\n\nnew c = 0.15; -1.45\n\nupdated W_v = [[-0.2, 0.1], [1.1, 0.7]]\n"
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(parse_submission("ada.md", page))
    right = {each.name for each in report.answers if each.verdict == "correct"}
    assert len(right) == 8
    assert {"dL/dc_2", "c_2_new", "W_v_2_1_new"} < right


def test_an_array_that_the_sheet_has_not_is_unknown_and_a_change_is_one() -> None:
    text = "answers: {H: [[1, 2], [3, 4]], ΔW_v: [[-0.7, 0.35], [0.1, -0.05]]}"
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(parse_submission("ada.yaml", text))
    found = [each.verdict for each in report.answers if each.verdict != "missing"]
    assert sorted(found) == ["correct"] * 4 + ["unknown"]


def test_a_row_of_numbers_below_words_is_no_answer() -> None:
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(
        parse_submission("ada.md", "Inputs:\n2 -1\n\nGradients:\n\nL = 3.125\n0.1 0.2\n")
    )
    assert {each.name for each in report.answers if each.verdict != "missing"} == {"L"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.md", "$$dL/dW_v = dz x^T = \\begin{bmatrix} 7 & -3.5 \\\\ -1 & 0.5 \\end{bmatrix}$$"),
        ("a.md", "dL/dW_v = [[7, -3.5], [-1, 0.5]]   (2 z times x)"),
        ("a.md", "dL/dW_v = [[ 7.  -3.5]\n [-1.   0.5]]"),
        ("a.md", "dL/dW_v = [7 -3.5\n -1 0.5]"),
        ("a.md", "dL/dW_v = ( 7 -3.5 )\n          ( -1 0.5 )"),
        ("a.md", "dL/dW_v = array([[ 7. , -3.5],\n       [-1. ,  0.5]])"),
        (
            "a.md",
            "$dL/dW_v = \\left(\\begin{array}{cc} 7 & -3.5 \\\\ -1 & 0.5 \\end{array}\\right)$",
        ),
        ("a.yaml", "answers:\n  dL/dW_v: ['dz @ x^T', [[7, -3.5], [-1, 0.5]]]"),
        ("a.yaml", "answers:\n  dL/dW_v: dz @ x^T = [[7, -3.5], [-1, 0.5]]"),
        ("a.yaml", "answers:\n  dL/dW_v: tensor([[7., -3.5], [-1., 0.5]])"),
        ("a.yaml", "answers:\n  dL/dW_v: [7 -3.5, -1 0.5]"),
        ("a.yaml", "answers:\n  dL/dW_v: |\n    7 -3.5\n    -1 0.5"),
        ("a.yaml", "answers:\n  dL/dW_v_1: [7, -3.5]\n  'dL/dW_v[2, :]': [-1, 0.5]"),
        ("a.csv", "name,value\ndL/dW_v,7 -3.5; -1 0.5"),
        ("a.yaml", "answers: {dL/dW_v^T: [[7, -1], [-3.5, 0.5]]}"),
    ],
)
def test_a_whole_array_is_read_behind_its_working_and_as_programs_print_it(
    file: str, text: str
) -> None:
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(parse_submission(file, text))
    found = {each.name: each.verdict for each in report.answers if each.verdict != "missing"}
    assert found == {f"dL/dW_v_{i}_{j}": "correct" for i in (1, 2) for j in (1, 2)}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "a.md",
            "| Update | w1_1_1_new | L |\n|---|---|---|\n| 1 | <1> | <L1> |\n| 2 | <2> | <L2> |",
        ),
        (
            "a.md",
            "## Update #1\nw1_1_1_new = <1>\nL = <L1>\n## Mini-batch 2\nw1_1_1_new = <2>\nL = <L2>",
        ),
        ("a.csv", "iteration,w1_1_1_new,L\n1,<1>,<L1>\n2,<2>,<L2>"),
        ("a.yaml", "update 1:\n  w1_1_1_new: <1>\n  L: <L1>\nupdate 2: {w1_1_1_new: <2>, L: <L2>}"),
        ("a.yaml", "answers:\n  - {w1_1_1_new: <1>, L: <L1>}\n  - {w1_1_1_new: <2>, L: <L2>}"),
    ],
)
def test_several_updates_in_one_table_or_below_their_names(file: str, text: str) -> None:
    problem = read_problem(ROOT / "problems" / "line-fit-mini-batches.yaml")
    for at, each in enumerate(solve(problem, show=2).iterations, 1):
        text = text.replace(f"<{at}>", f"{float(each.values['w1_1_1_new'] or 0):.6g}")
        text = text.replace(f"<L{at}>", f"{float(each.values['L'] or 0):.6g}")
    report = Checker(problem).mark(parse_submission(file, text))
    found = [(a.iteration, a.name, a.verdict) for a in report.answers if a.verdict != "missing"]
    expected = [(at, name, "correct") for at in (1, 2) for name in ("L", "w1_1_1_new")]
    assert sorted(found) == expected


@pytest.mark.parametrize(
    ("written", "value", "name"),
    [
        ("dE/dW_v_1_2", "-3.5", "dL/dW_v_1_2"),
        ("grad W_{v}_{21}", "-1", "dL/dW_v_2_1"),
        ("W_v_2_2'", "0.7", "W_v_2_2_new"),
        ("$\\frac{dL}{dW_{v}_{1,2}}$", "-3.5", "dL/dW_v_1_2"),
    ],
)
def test_an_entry_of_an_array_with_letters_below_it(written: str, value: str, name: str) -> None:
    page = parse_submission("ada.md", f"{written} = {value}")
    report = Checker(read_problem("s.yaml", ARRAYS)).mark(page)
    found = {each.name: each.verdict for each in report.answers if each.verdict != "missing"}
    assert found == {name: "correct"}


@pytest.mark.parametrize(
    "text",
    [f"[1 2]{' ' * 3900}!", f"[1 2],{' ' * 3900}[!", "[" * 3900, "array(" * 600, "[1 2]; " * 500, "] " * 1900],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_no_text_of_an_array_takes_long(text: str) -> None:
    checker, times = Checker(read_problem("s.yaml", ARRAYS)), []
    while len(times) < 10 and min(times, default=1) >= 0.1:
        start = time.process_time()
        checker.mark(parse_submission("a.yaml", json.dumps({"answers": {"dL/dW_v": text}})))
        times.append(time.process_time() - start)
    assert min(times) < 0.1
