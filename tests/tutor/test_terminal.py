"""The tutor at a pipe and at a real terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from commands import PROBLEMS, ROOT, backprop

from backprop_cli.problem.read import read_problem
from backprop_cli.tutor.page import Page
from backprop_cli.tutor.session import Session
from backprop_cli.tutor.terminal import Terminal
from backprop_cli.tutor.watch import watch_file

NET = PROBLEMS / "two-hidden-layers.yaml"


def piped(
    *lines: str, options: tuple[str | Path, ...] = (), problem: Path = NET, **more: str
) -> str:
    made = backprop(
        "practice", problem, *options, stdin="".join(f"{line}\n" for line in lines), **more
    )
    assert made.code in (0, 1), made.complaints
    return made.text


def test_a_transcript_is_the_same_every_time() -> None:
    lines = ("5.02", "4.5", "?", "h", "why", ":nothing", "sheet", "answers", "skip", "back", "q")
    assert piped(*lines) == piped(*lines)


def test_a_right_answer_moves_on_and_a_wrong_one_asks_again() -> None:
    text = piped("5.2", "5.02", "q")
    assert re.search(r"> 5\.2\n✗ wrong.*?> 5\.02\n✓ correct \(0\.50? of 1\)", text, re.S)
    assert "0.5 of 45 points; 0.5 went for tries and values shown." in text


def test_commands_have_a_colon_where_a_quantity_has_their_name(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "equations: {h: x*w, q: h^2}\ngiven: {x: 2}\nparameters: {w: 3}\n", encoding="utf-8"
    )
    text = piped("h", ":h", ":q", problem=file)
    assert "Hint 1 of 3" in text
    assert text.count("Hint") == 1  # the bare h was taken for an answer


def test_the_exit_code_is_that_of_check(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("equations: {f: x*w}\ngiven: {x: 2}\nparameters: {w: 3}\n", encoding="utf-8")
    assert backprop("practice", file, stdin="6\n2\n").code == 0
    assert backprop("practice", file, stdin="6\n3\n").code == 1
    assert backprop("practice", file, "--from", "nothing", stdin="").code == 2
    assert backprop("practice", file, "--random", stdin="").code == 2
    assert backprop("practice", file, "--random", "--student", "a", stdin="").code == 2


def test_the_file_is_kept_after_each_step_and_gone_on_from(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    piped("5.02", "4.52", options=("--answers", homework))
    assert "z1_2: 4.52" in homework.read_text(encoding="utf-8")
    text = piped("q", options=("--answers", homework))
    assert "a₁⁽¹⁾ (a1_1) = ?" in text
    assert "z₂⁽¹⁾    │ 4.52        │ ✓ correct" in text  # what was found so far
    assert "(z1_1)" not in text


def test_a_student_practises_the_own_numbers(tmp_path: Path) -> None:
    problem = PROBLEMS / "own-numbers.yaml"
    own = piped("q", options=("--student", "ada"), problem=problem)
    assert own != piped("q", problem=problem)
    made = backprop("practice", problem, "--random", stdin="q\n")
    named = re.search(r"--student (random-\d+)", made.complaints)
    assert named is not None
    assert piped("q", options=("--student", named[1]), problem=problem) == made.text


def test_the_numbers_are_those_of_the_student_that_the_file_names(tmp_path: Path) -> None:
    problem, homework = PROBLEMS / "own-numbers.yaml", tmp_path / "homework.yaml"
    kept = ("--answers", homework)
    own = piped("show", "q", options=("--student", "ada", *kept), problem=problem)
    assert "Your answers are in" in own
    again = piped("q", options=kept, problem=problem)
    assert again.partition("Type each")[0] == own.partition("Type each")[0]
    other = backprop("practice", problem, *kept, "--student", "bob", stdin="q\n")
    assert other.code == 2
    assert "is by `ada`" in other.complaints


@pytest.mark.parametrize("width", [40, 80])
def test_plain_surroundings(width: int) -> None:
    text = piped(
        "5.2", "h", "h", "h", "why", "?", "sheet", "q", options=("--ascii", "--width", str(width))
    )
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= width


def test_an_array_may_be_typed_row_by_row_or_number_by_number() -> None:
    rows = (
        "0.5 -0.2",
        "0.1 0.4",
        "0.6 0.2",
        "0.3",
        "h",
        "0.3",
        "",
        "0.3, 0.1",
        "-0.4 0.2 -0.1 0.3",
    )
    text = piped(*rows, "q", problem=PROBLEMS / "attention.yaml")
    assert "Q = ? (3×2)\n\n> 0.5 -0.2\n(4 more)\n> 0.1 0.4\n(2 more)\n> 0.6 0.2\n✓" in text
    assert "\nK = X Wk\n" in text  # as the blank sheet states it
    assert "K depends on X and Wk." in text
    assert "12 of 67 points." in text


def test_hostile_lines_reach_no_terminal() -> None:
    text = piped("\x1b[31m5", "\u202e5", "z" * 5000, "show\x07", "q")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text


def test_watching_marks_at_every_save(tmp_path: Path) -> None:
    homework, said = tmp_path / "homework.yaml", []
    saves = iter(["answers: {z1_1: 5.02}\n", "answers: {z1_1: 5.2}\n"])

    def wait() -> None:
        text = next(saves, None)
        if text is None:
            raise KeyboardInterrupt
        homework.write_text(text, encoding="utf-8")
        os.utime(homework, ns=(len(said), len(said)))

    assert not watch_file(read_problem(NET), homework, said.append, Page(), wait)
    reports = [text for text in said if "of 45 points" in text]
    assert ["1 of 45" in text for text in reports] == [True, False]


def test_the_end_names_the_slips_that_were_made_and_what_is_still_wrong() -> None:
    text = piped("0.75", "0.85", "5", "skip", "q", problem=PROBLEMS / "own-numbers.yaml")
    assert "Slips that were made:\n\n• z₁⁽¹⁾: the bias b₁⁽¹⁾ was left out.\n" in text
    assert "Not right yet: z₂⁽¹⁾.\n" in text
    moved = piped("5", "q", problem=PROBLEMS / "own-numbers.yaml", options=("--tries", "1"))
    assert "On to the next." in moved


# --- a real terminal --------------------------------------------------------------------------

pty = pytest.importorskip("pty", reason="pseudo-terminals are of Unix")


class Screen:
    """`backprop practice` in a pseudo-terminal of its own."""

    def __init__(
        self,
        *options: str | Path,
        columns: int = 80,
        interrupt: signal.Handlers = signal.SIG_DFL,
        **environment: str,
    ) -> None:
        self.pid, self.handle = pty.fork()
        if self.pid == 0:  # pragma: no cover - the other process
            # Tests that a shell runs in the background would hand on that Ctrl-C is ignored.
            signal.signal(signal.SIGINT, interrupt)
            os.chdir(ROOT)
            os.environ.update({"TERM": "xterm", "COLUMNS": str(columns), **environment})
            arguments = [sys.executable, "-m", "backprop_cli", "practice", *map(str, options)]
            os.execv(sys.executable, arguments)
        self.text = ""

    def until(self, wanted: str, seconds: float = 60.0) -> str:
        seen = len(self.text)
        assert self.shows(wanted, seconds), self.text
        return self.text[seen:]

    def shows(self, wanted: str, seconds: float) -> bool:
        """Whether a text comes in time, or the program ends."""
        end = time.monotonic() + seconds
        seen = len(self.text)
        while wanted not in self.text[seen:]:
            ready, _, _ = select.select([self.handle], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return False
            try:
                self.text += os.read(self.handle, 65536).decode("utf-8", "replace")
            except OSError:  # it has ended
                break
        return True

    def press(self, key: str, wanted: str) -> None:
        """A key until it works: while the terminal changes its mode, one may be lost."""
        for _ in range(40):
            os.write(self.handle, key.encode())
            if self.shows(wanted, 3.0):
                return

    def type(self, line: str) -> None:
        os.write(self.handle, line.encode())

    def code(self) -> int:
        self.until("\0never\0")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize("interrupt", [signal.SIG_DFL, signal.SIG_IGN], ids=["heard", "ignored"])
@pytest.mark.parametrize("columns", [40, 80])
def test_a_terminal_has_prompt_history_and_keeps_the_state(
    columns: int, interrupt: signal.Handlers, tmp_path: Path
) -> None:
    homework = tmp_path / "homework.yaml"
    screen = Screen(NET, "--answers", homework, columns=columns, interrupt=interrupt)
    screen.until("> ")
    screen.type("5.0\b2\n")  # edited on the line
    assert "correct" in screen.until("> ") or "wrong" in screen.text
    screen.type("\x1b[A\n")  # the line before once more
    screen.until("so far")
    screen.press("\x03", "points")  # Ctrl-C
    assert "points" in screen.text
    assert screen.code() == 1
    kept = homework.read_text(encoding="utf-8")
    assert "z1_1:" in kept


def test_a_second_ctrl_c_cuts_neither_the_file_nor_the_ending_short(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    session = Session(read_problem(NET))

    def save(text: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        homework.write_text(text, encoding="utf-8")

    said: list[str] = []

    def stopped() -> str:
        raise KeyboardInterrupt

    Terminal(session, said.append, save).run(stopped)
    assert homework.exists()
    assert "of 45 points" in said[-1]


def test_ctrl_d_and_no_colour(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    screen = Screen(NET, "--answers", homework, "--ascii", NO_COLOR="1")
    screen.until("> ")
    screen.type("5.02\n")
    screen.until("> ")
    screen.press("\x04", "points")
    assert screen.code() == 1
    assert "z1_1: 5.02" in homework.read_text(encoding="utf-8")
    assert not re.search(r"\x1b\[[0-9;]*m", screen.text)


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    homework = tmp_path / "homework.yaml"
    screen = Screen(NET, "--answers", homework)
    screen.until("> ")
    screen.type("5.02\n")
    screen.until("> ")
    os.kill(screen.pid, signal.SIGKILL)
    assert screen.code() == -signal.SIGKILL
    assert "z1_1: 5.02" in homework.read_text(encoding="utf-8")
