"""The session at a terminal, or over a pipe: a question, a line typed, what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import escape
from backprop_cli.formula import unicode
from backprop_cli.formula.nodes import Name
from backprop_cli.interrupts import undisturbed
from backprop_cli.tutor.arrays import count
from backprop_cli.tutor.hints import LAST
from backprop_cli.tutor.page import Page
from backprop_cli.tutor.question import Question
from backprop_cli.tutor.session import Reply, Session
from backprop_cli.worksheet import given
from backprop_cli.worksheet.blank import SECTION_TITLES, rules
from backprop_cli.worksheet.document import (
    Block,
    Bullets,
    Callout,
    Column,
    Document,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Text,
    table,
    together,
)
from backprop_cli.worksheet.marked import WORDS, points, prose
from backprop_cli.worksheet.sheet import DEFAULT, Sheet

Ask = Callable[[], str]
"""Reads a line; raises EOFError at the end and KeyboardInterrupt when the student stops."""

COMMANDS: Mapping[str, str] = {
    "h": "a hint, at no cost: where to look, then the rule, then the numbers put in",
    "why": "the reason, in a sentence",
    "show": "the value, without points for it",
    "skip": "go on; an answer that is there stays, what is left open comes again at the end",
    "back": "to the question before",
    "sheet": "everything so far, as a table",
    "answers": "the answer file so far",
    "q": "stop here; what was done is kept",
    "?": "this list",
}
LONGER = {"hint": "h", "quit": "q", "help": "?", "exit": "q"}
MOST_AGAIN = 2
NUMBERS = "Type each answer as a number, a formula, or both. "
FORMULAS = "Type each answer as a formula. "
ARRAYS = "An array is typed row by row, or at once: 1 2; 3 4. "


@dataclass
class Terminal:
    """Shows a session. `write` puts text out, `save` keeps the state after each step."""

    session: Session
    write: Callable[[str], None]
    save: Callable[[str], None]
    page: Page = Page()
    kept: str = ""  # the file that is saved to
    heard: str = ""  # the heading that was shown last
    returned: bool = False  # whether it was said that what is asked for was left open
    begun: tuple[str, ...] = ()  # the lines of an array that is not typed to its end

    def run(self, ask: Ask) -> bool:
        """Ask to the end, or to where the student stops. Whether the session is passed."""
        session = self.session
        try:
            self._put(self._opening())
            while (question := session.next) is not None:
                if not self.begun:
                    self._put(self._question(question))
                line = ask().strip()
                if not line:
                    self.begun = ()
                elif not self._done(line, question):
                    break
                self.save(session.state)
        except (EOFError, KeyboardInterrupt):
            self.write("\n")
        with undisturbed():
            self.save(session.state)
            self._put(self._ending())
        return session.passed

    def _done(self, line: str, question: Question) -> bool:
        """Carry out what was typed at a question; False to stop."""
        session = self.session
        command = self._command(line)
        if command is None:
            self._answered(line, question)
            return True
        self.begun = ()
        match command:
            case "h":
                self._put(self._hint(question))
            case "why":
                self._show(session.why())
            case "show":
                shown = session.show()
                self._put([Paragraph((*self._name(question), Text(f" = {escape(shown)}")))])
            case "skip":
                session.skip()
            case "back":
                session.back()
            case "sheet":
                self._put(self._sheet())
            case "answers":
                self.write(visible_lines(session.state) + "\n\n")
            case "q":
                return False
            case _:
                self._put(self._commands(line))
        return True

    def _answered(self, line: str, question: Question) -> None:
        """An answer, or the next row of one: an array may be typed row by row."""
        if question.shape:
            line = self.session.entries_of(question, line)
            whole = math.prod(question.shape)
            at_once = "[[" in line or ";" in line or count(line, question.shape) >= whole
            self.begun = (line,) if at_once else (*self.begun, line)
            left = whole - sum(count(each, question.shape) for each in self.begun)
            if left > 0 and not at_once:
                self.write(f"({left} more)\n")
                return
            line, self.begun = " ; ".join(self.begun), ()
        self._put(self._reply(self.session.answer(line)))

    def _command(self, line: str) -> str | None:
        """The command that a line is: with a colon always, else unless it names a quantity."""
        word = line.removeprefix(":").strip().lower()
        known = word in COMMANDS or word in LONGER
        if line.startswith(":"):
            return LONGER.get(word, word)
        graph = self.session.graph
        return LONGER.get(word, word) if known and word not in {*graph.leaf, *graph.step} else None

    # What is written

    def _put(self, blocks: list[Block]) -> None:
        graph = self.session.graph
        self._show(Document("", tuple(blocks), self.session.spelling, graph.lettering.typed))

    def _show(self, document: Document) -> None:
        if document.blocks:
            self.write(self.page.written(document) + "\n")

    def _opening(self) -> list[Block]:
        session = self.session
        first = Sheet(session.run, session.run.iterations[0], DEFAULT)
        entries = replace(first, choices=replace(DEFAULT, form="scalar"))
        matrix = (Text(ARRAYS),) if session.arrays and first.in_arrays else ()
        title = Heading(1, (Text(session.problem.title),))
        described = session.problem.description
        return [
            title,
            *([Paragraph((Text(described),))] if described else []),
            *given.what_is_given(first),
            *map(Paragraph, rules(first if session.arrays else entries)),
            Paragraph((Text(FORMULAS if first.symbolic else NUMBERS), *matrix,
                       Text("?", "code"), Text(" lists what else you can type."))),
            *(self._sheet() if any(map(session.given, session.questions)) else []),
        ]  # fmt: skip

    def _question(self, question: Question) -> list[Block]:
        title = SECTION_TITLES.get(question.section, question.section.capitalize())
        if len(self.session.run.iterations) > 1:
            title = f"Update {question.iteration}: {title}"
        found: list[Block] = [] if title == self.heard else [Heading(2, (Text(title),))]
        self.heard = title
        if self.session.returning and not self.returned:
            self.returned = True
            found.append(Paragraph((Text("What was left open, once more:"),)))
        given_before = self.session.given(question)
        kept = (Text(f"   (so far {escape(given_before)})"),) if given_before else ()
        shape = f" ({'×'.join(map(str, question.shape))})" if question.shape else ""
        return [*found, Paragraph((*self._name(question), Text(f" = ?{shape}"), *kept))]

    def _name(self, question: Question) -> Line:
        symbol = unicode.write(Name(question.name), self.session.spelling)
        alike = self.page.ascii or symbol == question.name
        typed = () if alike else (Text("  ("), Text(question.name, "code"), Text(")"))
        return (Math(Name(question.name)), *typed)

    def _reply(self, reply: Reply) -> list[Block]:
        word = (Text(WORDS[reply.verdict], "strong"),)
        worth = ""
        if reply.right and reply.points < reply.max_points:
            worth = f" ({points(reply.points)} of {points(reply.max_points)})"
        said = prose(reply.feedback, self.session.graph) if reply.feedback else ()
        line: list[Inline] = [*word, Text(worth)]
        if said:
            line += [Text(". "), *said] if not worth else [Text(" "), *said]
        if reply.right:
            return [Paragraph(tuple(line))]
        moved = self.session.next != reply.question
        again = " On to the next." if moved else " Try again."
        if not moved and reply.verdict != "unreadable":
            again = " Try again, or type skip to go on with what you have."
        return [Paragraph((*line, Text(again)))]

    def _hint(self, question: Question) -> list[Block]:
        document = self.session.hint()
        seen = self.session.record(question).hints
        return [Paragraph((Text(f"Hint {seen} of {LAST}", "strong"),)), *document.blocks]

    def _commands(self, line: str) -> list[Block]:
        word = line.removeprefix(":").strip()
        unknown = LONGER.get(word, word) not in COMMANDS
        said: list[Block] = []
        if unknown:
            said.append(Paragraph((Text(f"There is no command {escape(word[:40])}."),)))
        rows = tuple((Text(name, "code"), Text(f": {what}")) for name, what in COMMANDS.items())
        colon = "Where a quantity of the sheet has that name, put a colon in front: :h."
        return [*said, Bullets(rows), Paragraph((Text(colon),))]

    def _sheet(self) -> list[Block]:
        """Everything up to the last answer, and how much is left."""
        session = self.session
        given = [bool(session.given(question)) for question in session.questions]
        last = max((place for place, there in enumerate(given, 1) if there), default=0)
        found: list[Block] = []
        for update, questions in groupby(session.questions[:last], key=attrgetter("iteration")):
            if len(session.run.iterations) > 1:
                found.append(Heading(3, (Text(f"Update {update}"),)))
            found.append(
                table(
                    questions,
                    (Column((Text("Quantity"),)), lambda each: (Math(Name(each.name)),)),
                    (
                        Column((Text("Your answer"),)),
                        lambda each: (Text(escape(session.given(each))),),
                    ),
                    (
                        Column((Text("So far"),)),
                        lambda each: (Text(WORDS[session.said(each).verdict]),),
                    ),
                )
            )
        return [*found, Paragraph((Text(f"{len(session.questions) - last} to come."),))]

    def _ending(self) -> list[Block]:
        return [Heading(2, (Text("How it went"),)), *self._summary()]

    def _summary(self) -> Iterator[Block]:
        session = self.session
        report = session.report
        marked = sum(result.points for result in session.results())
        cost = marked - session.score
        line = f"{points(session.score)} of {points(session.max_score)} points"
        if cost:
            line += f"; {points(cost)} went for tries and values shown"
        left = sum(each.max_points for each in session.results() if each.verdict == "missing")
        still = f" {points(left)} still open." if left else ""
        yield Paragraph((Text(line + ".", "strong"), Text(still)))
        if session.next is not None:
            to_keep = "Nothing of this was kept; --answers FILE would."
            kept = f"Your answers are in {escape(self.kept)}; with --answers you go on from there."
            yield Paragraph((Text(kept if self.kept else to_keep),))
        if report.error is not None:
            yield Callout("warning", (Text(report.error),))
        if session.made:
            when = "this time" if session.resumed else ""
            yield Paragraph((Text(f"Slips that were made {when}".strip() + ":"),))
            rows = (
                (Math(Name(name)), Text(": "), *prose(f"{mistake.message}.", session.graph))
                for (_, name), mistake in session.made.items()
            )
            yield Bullets(tuple(rows))
        for before, things in (
            ("Not right yet: ", session.slips),
            ("Worth doing once more: ", session.again(MOST_AGAIN)),
        ):
            if names := [each.name for each in things]:
                yield Paragraph((Text(before), *together(names), Text(".")))


def visible_lines(written: str) -> str:
    """Several lines without anything that acts on a terminal."""
    return "\n".join(map(escape, written.splitlines()))
