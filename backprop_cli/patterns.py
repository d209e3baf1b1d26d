"""Regular expressions that are compiled when they are first used: a command uses few of them, and
compiling all that it may need takes longer than many a command."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, cast


def pattern(written: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` gives; what is wrong with it is said where it is first used."""
    return cast("re.Pattern[str]", _Pattern(written, flags))


class _Pattern:
    def __init__(self, written: str, flags: int) -> None:
        self._written = written, flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(*self._written)

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = getattr(self._compiled, name)
        return found
