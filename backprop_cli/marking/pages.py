"""Pages: answers between words and pictures. They stand on the lines of a blank sheet that was
filled in (in each notation that it is written in), in tables, in blocks of YAML, JSON, CSV or a
program, or are said in lines of one's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from backprop_cli.dataclass import replace
from backprop_cli.marking import typed_rows
from backprop_cli.marking.forms import (
    ABOUT,
    WRITTEN_IN,
    in_form,
    is_csv,
    numbered,
    of_form,
    of_rows,
)
from backprop_cli.marking.lines import (
    Statement,
    answer_of,
    is_name,
    is_row,
    named,
    statements,
    update_of,
)
from backprop_cli.marking.submission import (
    MOST_REMARKS,
    Answer,
    Submission,
    Updates,
    spoilt,
    student_named,
    student_of,
)
from backprop_cli.marking.tables import Row, answers_of, in_pipes, table_of
from backprop_cli.patterns import pattern

MOST_BLOCKS = 100  # of code on a page
NO_ANSWERS = "there are no answers on this page"
_MARKUP = frozenset({"md", "markdown"})
_PAGES = _MARKUP | {"txt", "text", "rst", "tex"}
_FENCE, _NONE = pattern(r"\s*(?:```|~~~)\s*([\w-]*)"), pattern(r"(?!)")
_LINES_IN = frozenset({"", "text", "txt", "plaintext", "math", "latex", "tex", "markdown", "md"})
"""The languages of blocks whose lines are as good as those outside."""
_ASSIGNED = pattern(r"(\s*)([A-Za-z]\w{0,60})(?:\[[\w:, ]{0,40}\])?\s*[-+*/@]?=(?!=)\s*([^#]*)")
_CONSTANT = pattern(r"(?=.*\d)(?:[-+*/().,\[\]\s\d]|(?<=[\d.])[eE](?=[-+\d]))+")
_HEAD = pattern(r"(?:answers|iterations):\s*\Z")


def is_page(file: str) -> bool:
    """Whether a file may hold answers among other things, or none at all."""
    return _ending(file) in _PAGES


def _ending(file: str) -> str:
    return file.rpartition(".")[2].lower()


def of_page(file: str, text: str) -> Submission:
    """The answers on a page: those of a blank sheet that was filled in; or of blocks, of tables
    and of lines; or of a plain text that is one of the other forms."""
    markup = _ending(file) in _MARKUP
    blocks, lines = _fenced(text, _FENCE if markup else _NONE)
    if filled := list(_filled(lines, _ending(file) in ("txt", "text") and "Points:" in text)):
        return of_rows(file, filled, updates=True)
    if len(blocks) > MOST_BLOCKS:
        return spoilt(file, f"more than {MOST_BLOCKS} blocks of code")
    headed = any(_HEAD.match(line) for _, line in lines)
    if not markup:
        return of_form(file, text) if headed else _of_text(file, text, lines)
    found: list[Submission] = []
    remarks: list[str] = []
    begun = [(at, update) for at, line in lines if (update := update_of(line))]
    for kind, first, block in blocks:
        whole = "\n" * first + "\n".join(block)
        if kind in WRITTEN_IN and whole.strip():
            inner = (of_form if kind else in_form)(f"page.{WRITTEN_IN[kind]}", whole)
            if inner.error is None:
                above = [update for at, update in begun if at < first]
                found.append(_below(above[-1] if above else 1, inner))
                continue
            if kind:
                remarks.append(f"{inner.error[:1].upper()}{inner.error[1:]}.")
        if kind in _LINES_IN:
            after = first + len(block) + 1
            lines += [(first, "$$"), *enumerate(block, first + 1), (after, "$$")]
        elif kind not in WRITTEN_IN:
            clear, others = _assigned(block, first + 1)
            lines += clear
            if others:
                only = "only as far as numbers are given names" if clear else "not at all"
                remarks.append(f"The block of {kind} from line {first} on was read {only}.")
    if not found and headed:
        return of_form(file, text)
    if outside := _of_lines(file, sorted(lines)):
        found.append(outside)
    if not found:
        return spoilt(file, " ".join(remarks).removesuffix(".") or NO_ANSWERS)
    return _together(file, found, remarks)


def _of_text(file: str, text: str, lines: Sequence[tuple[int, str]]) -> Submission:
    """The answers of a text in whatever form they stand."""
    stated = any(said.sign not in ("", ":") for said in statements(lines))
    stated = stated or any(update_of(line) for _, line in lines)
    plain = stated and not text.lstrip().startswith("{") and not is_csv(file, text)
    if plain and (found := _of_lines(file, lines)):
        return found
    form = in_form(file, text)
    return (form.error and not plain and _of_lines(file, lines)) or form


def _together(file: str, found: Sequence[Submission], remarks: Sequence[str]) -> Submission:
    """The answers of a page as one; what an earlier part says, a later one only repeats."""
    updates = max(len(part.iterations) for part in found)
    groups: list[dict[str, Answer]] = [{} for _ in range(updates)]
    for part in found:
        for group, answers in zip(groups, part.iterations, strict=False):
            for answer in answers:
                group.setdefault(answer.name, answer)
    own = (part.student for part in found if part.student not in ("page", student_of(file)))
    said = (*remarks, *(remark for part in found for remark in part.remarks))
    iterations = tuple(tuple(group.values()) for group in groups)
    return Submission(file, next(own, student_of(file)), iterations, None, said[:MOST_REMARKS])


def _below(update: int, block: Submission) -> Submission:
    """A block's answers where it stands below the heading of an update, if it tells none itself."""
    if len(block.iterations) != 1:
        return block
    found = Updates()
    found.begin(update).extend(block.iterations[0])
    return replace(block, iterations=found.iterations())


def _fenced(
    text: str, mark: re.Pattern[str]
) -> tuple[list[tuple[str, int, list[str]]], list[tuple[int, str]]]:
    """Blocks between fences, with their language and the line before them; and all other lines."""
    blocks: list[tuple[str, int, list[str]]] = []
    others: list[tuple[int, str]] = []
    inside: list[str] | None = None
    for number, line in numbered(text):
        if (fence := mark.match(line)) is not None:
            if inside is None:
                inside = []
                blocks.append((fence[1].lower(), number, inside))
            else:
                inside = None
        elif inside is not None:
            inside.append(line)
        else:
            others.append((number, line))
    return blocks, others


def _assigned(block: Sequence[str], first: int) -> tuple[list[tuple[int, str]], bool]:
    """The lines of a program that only give a number a name that keeps it, and whether there are
    others that calculate something."""
    found = [(at, each) for at, line in enumerate(block, first) if (each := _ASSIGNED.match(line))]
    times = Counter(each[2] for _, each in found)
    clear = [
        (at, f"{each[2]} = {each[3].strip()}")
        for at, each in found
        if not each[1] and times[each[2]] == 1 and _CONSTANT.fullmatch(each[3].strip())
    ]
    return clear, len(clear) < len(found)


# A blank sheet that was filled in

LONGEST_KEY = 400
MOST_ROWS = 200
"""So many lines are looked through for the rows of an array."""
_KEY = pattern(
    r"\((?:\\ )?(?:`+|<code>|\*)(?P<name>[^`<*\n]+)(?:`+|</code>|\*)(?:\\ )?\)\Z"
    r"|\\hrulefill\\quad \{\\small \\texttt\{(?P<typeset>.+)\}\}\\par\}?\Z"
    r"|(?<=[\s_])\s{2}(?P<aside>[A-Za-z][^\s()]*(?: \([\d×]+\))?)\Z"
)
"""What ends a line of a blank sheet: the name to answer under."""
_RULE = pattern(r"(?:(?:\\_)+|_{3,}|\.{4,}|&nbsp;)")


def _filled(lines: Iterable[tuple[int, str]], plain: bool) -> Iterator[Row]:
    """`$z =$ 5.02 (`z1_1`)` as update, name and value; what is left blank has no value. On the
    `plain` text of a sheet the name stands aside, below what is given, or is what it looks like."""
    update, begun = 1, False
    open_: tuple[int, int, str, tuple[int, int], list[str]] | None = None
    for number, line in lines:
        begun = begun or (plain and re.search(r"(?:point|said)\.\s*\Z", line) is not None)
        row = _RULE.sub("", line).strip()
        if open_ and "=" not in line and typed_rows.is_row(row) and len(open_[-1]) < MOST_ROWS:
            open_[-1].append(row)
            continue
        if open_ is not None:
            yield _closed(*open_)
            open_ = None
        if heading := update_of(line):
            update = heading
        elif "=" in line:
            whole = line.strip()
            found = _KEY.search(whole, max(0, len(whole) - LONGEST_KEY))
            left, _, value = whole[: found.start() if found else None].partition("=")
            named = found and (found["name"] or found["typeset"])
            begun = begun or bool(named)
            if not named and not (begun and is_name(left)):
                continue
            written = named or (found and found["aside"]) or left.strip()
            written = re.sub(r"\\(?:allowbreak\{\}|(?=[_\[\]]))", "", written)
            name = written.partition(" ")[0] if named or "\\" not in written else written
            name, shape = name.strip(" $"), typed_rows.shape_of(written)
            value = _RULE.sub("", value).replace(r"\_", "_").strip(" \t_*`$")
            if shape is None:
                yield number, [str(update), name, value]
            else:
                open_ = number, update, name, shape, [value]
    if open_ is not None:
        yield _closed(*open_)


def _closed(
    number: int, update: int, name: str, shape: tuple[int, int], rows: Sequence[str]
) -> Row:
    """An array of a blank sheet, with what was typed into the room for its rows."""
    rows = [row for row in rows if row]
    return number, [str(update), name, typed_rows.as_list(rows, shape) or " ".join(rows)]


# Lines and tables of one's own

_PARAMETER = pattern(r"\$?[wWbB](?:[\d_^({\[][^'’′´`+*]*)?(?<!new)(?<!new[)}])")
_EQUATED = pattern(r"[^=]{1,80}=|\Z")


def _of_lines(file: str, lines: Iterable[tuple[int, str]]) -> Submission | None:
    """The answers on the lines and in the tables of a page, or None where there are none."""
    found, student, update, above = Updates(page=True), "", 1, ""
    for kind, part in groupby(in_pipes(lines), lambda each: _kind_of_line(each[1])):
        if kind == "table":
            table, ruled = table_of(list(part))
            rows = [" ".join(cells) for _, cells in table]
            if rows and all(map(is_row, rows)) and (name := named(above)):
                found.begin(update)
                found.row(update, table[0][0], [name, "; ".join(rows)])
            elif all(len(cells) == 1 or all(map(_EQUATED.match, cells)) for _, cells in table):
                inside = [(line, cell) for line, cells in table for cell in cells]
                _take(found, update, statements(inside))
            else:
                found.begin(update)
                for number, (line, cells) in answers_of(table, ruled, update):
                    found.row(number, line, cells)
        elif kind == "update":
            update = update_of([text for _, text in part][-1])
        else:
            said = list(part)
            above = next((text for _, text in reversed(said) if text.strip()), "")
            student = _take(found, update, statements(said)) or student
    if not found.found:
        return None
    return Submission(file, student or student_of(file), found.iterations())


def _kind_of_line(text: str) -> str:
    if text.lstrip().startswith("|"):
        return "table"
    return "update" if update_of(text) else ""


def _take(found: Updates, update: int, said: Iterable[Statement]) -> str:
    """Enters what looks like an answer; returns the student where one is named. Below `New
    weights` or `Gradients` a parameter is what the heading says."""
    student, form = "", "{}"
    for each in said:
        if (heading := each.heading) is not None:
            form = heading
        elif each.name.lower() == "student":
            student = student_named(each.value)
        elif each.is_blank:
            found.begin(update)
        elif each.is_answer and each.name.lower() not in ABOUT:
            name = form.format(each.name) if _PARAMETER.fullmatch(each.name) else each.name
            found.add(update, answer_of(each, name), (each.value,))
    return student
