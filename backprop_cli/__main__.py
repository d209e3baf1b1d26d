"""The command `backprop`, also as `python -m backprop_cli`."""

from __future__ import annotations

import gc
import signal

GARBAGE = 100_000, 1_000
"""What a command makes it keeps, nearly all of it: garbage is looked for after so many objects, and
among those that were kept before after so many times."""


def main() -> None:
    """Run the command line. While it is loaded Ctrl-C ends the program as the system does it:
    nobody is there yet to catch it, and there is nothing to keep."""
    gc.set_threshold(*GARBAGE)
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from backprop_cli import cli

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    finally:
        gc.freeze()  # the system takes back what is left faster than Python looks through it


if __name__ == "__main__":
    main()
