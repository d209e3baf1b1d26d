"""The commands: arguments in, text out, exit code. The one place that catches errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from copy import copy
from typing import NoReturn

import typer

from backprop_cli.cli import files, handing_out, looking_up, marking, solving  # noqa: F401
from backprop_cli.cli.app import (
    EXIT_CODES,
    GROUPS,
    INTERRUPTED,
    OK,
    WRONG_INPUT,
    UsageProblem,
    app,
    called,
)
from backprop_cli.cli.looking_up import command_helps, command_lines
from backprop_cli.console import Undeliverable, complain, silence
from backprop_cli.diagnostics import ProblemError, escape, render_all
from backprop_cli.interrupts import interrupted

__all__ = ["EXIT_CODES", "app", "command_helps", "command_lines", "main", "outcome"]

app.registered_commands.sort(key=lambda each: GROUPS.index(str(each.rich_help_panel)))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code; never with a traceback."""
    sys.exit(outcome(arguments))


def outcome(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command (of `sys.argv` if None) and give its exit code."""
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        code = application(words)(words, prog_name="backprop", standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except ProblemError as error:
        complain(render_all(error.diagnostics))
        return WRONG_INPUT
    except (UsageProblem, Undeliverable) as error:
        complain(f"error: {error}")
        return WRONG_INPUT
    except BrokenPipeError:
        silence(sys.stdout)
        return OK
    except OSError as error:
        where = f"{escape(str(error.filename))}: " if error.filename else ""
        complain(f"error: {where}{error.strerror or 'it cannot be used'}")
        return WRONG_INPUT
    except Exception as error:
        if interrupted(error):
            return INTERRUPTED
        if hasattr(error, "format_message"):  # the command line does not parse
            complain(usage_error(error))
            return WRONG_INPUT
        if os.environ.get("BACKPROP_TRACEBACK"):
            raise
        complain(
            f"error: this is a mistake in backprop itself, not in your file: "
            f"{type(error).__name__}: {escape(str(error))[:300]}\n"
            "Set BACKPROP_TRACEBACK=1 to see where, and report it with the problem file."
        )
        return WRONG_INPUT
    return int(code or OK)


def application(words: Sequence[str]) -> typer.Typer:
    """The application with nothing but the command that is called: the others take their time to
    build, and only complaints and completion know of them. Its own help needs none."""
    name = next((word for word in words if not word.startswith("-")), None)
    asked = [each for each in app.registered_commands if name == called(each)]
    if not asked and list(words) not in (["--help"], ["-h"]):
        return app
    alone = copy(app)
    alone.registered_commands = asked
    return alone


def usage_error(error: Exception) -> str:
    """What is wrong with the arguments, and where their help is."""
    message = str(error.format_message())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # `backprop` alone: the message is the help
        return message
    message = escape(message.replace("Value error, ", ""))
    return f"error: {message}\nTry `{getattr(context, 'command_path', 'backprop')} --help`."
