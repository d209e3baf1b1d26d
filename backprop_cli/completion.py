"""What a shell offers for a word that is being typed: names of rules, examples and quantities.

Nothing here may print or fail: the shell would put it into the middle of the user's line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from types import FrameType

Offer: TypeAlias = list[tuple[str, str]]
"""Words, each with what it means (which zsh and fish show)."""

PATIENCE = 1.0
"""Seconds after which a shell is told nothing rather than kept waiting."""


class _TooLate(BaseException):
    """Not an Exception, so that nobody on the way takes it for one of his."""


@contextmanager
def _in_time() -> Iterator[None]:
    """Ends what takes too long, where the system has a timer for it."""
    import signal

    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLate

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: where Python ignores exceptions (a destructor, say) one may be lost.
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _quietly(offer: Callable[..., Offer]) -> Callable[..., Offer]:
    @functools.wraps(offer)
    def quiet(*arguments: Any, **named: Any) -> Offer:
        try:
            with _in_time():
                return offer(*arguments, **named)
        except (Exception, _TooLate):
            return []

    return quiet


@_quietly
def rules() -> Offer:
    """What `backprop list` can be asked for."""
    from backprop_cli.worksheet.catalogue import GROUPS

    offer = [(group.name, f"all {group.name}") for group in GROUPS]
    for group in GROUPS:
        offer += [(name, row.title) for name, row in group.rows.items()]
    return offer


@_quietly
def losses() -> Offer:
    """What `backprop new --loss` can name."""
    from backprop_cli.rules.losses import LOSSES

    return [(name, row.title) for name, row in LOSSES.items()]


@_quietly
def activations(incomplete: str) -> Offer:
    """The same for `--activation`, behind the names and commas already there."""
    from backprop_cli.rules.activations import ACTIVATIONS

    before = incomplete[: incomplete.rfind(",") + 1]
    return [(before + name, row.title) for name, row in ACTIVATIONS.items()]


@_quietly
def topics() -> Offer:
    """The pages that `backprop help` shows."""
    from backprop_cli import manual

    return [(topic, manual.title(topic)) for topic in manual.TOPICS]


@_quietly
def codes() -> Offer:
    """What `backprop explain` explains."""
    from backprop_cli import manual

    return [(code, "") for topic in manual.EXPLAINED for code in manual.sections(topic)]


@_quietly
def examples() -> Offer:
    """What `backprop new --from` can copy."""
    from backprop_cli.shipped import titles

    return list(titles().items())


@_quietly
def quantities(ctx: Any) -> Offer:
    """The names on the sheet of the problem file that stands on the command line."""
    from backprop_cli.problem.read import read_problem
    from backprop_cli.run import solve
    from backprop_cli.worksheet.derivations import known_names
    from backprop_cli.worksheet.sheet import Choices, Sheet

    # While the value of an option is missing the arguments are not assigned yet.
    file = next((each for each in (ctx.params.get("file"), *ctx.args) if each), None)
    if file is None or file == "-":
        return []
    problem = read_problem(file)
    run = solve(problem, steps=1 if problem.trains else None, show=1)
    return [(name, "") for name in known_names(Sheet(run, run.iterations[0], Choices()))]
