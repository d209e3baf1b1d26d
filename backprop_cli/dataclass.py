"""`dataclass` as in the standard library, its methods written when the first object is made.

Writing them costs a third of a millisecond a class, and a command makes objects of half of the
classes that it imports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **settings: bool) -> type | Callable[[type], type]:
        """A class of fields, as `dataclasses.dataclass` makes it."""
        return _later(cls, settings) if cls else lambda cls: _later(cls, settings)


_waiting: dict[type, Mapping[str, bool]] = {}


def _later(cls: type, settings: Mapping[str, bool]) -> type:
    """The class with its methods to come: an object is made, or unpickled, before any is used."""

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        _write_methods(cls)
        cls.__init__(self, *values, **named)  # type: ignore[misc]

    def __setstate__(self: Any, state: Mapping[str, Any]) -> None:
        _write_methods(cls)
        self.__dict__.update(state)

    _waiting[cls] = settings
    cls.__init__ = __init__  # type: ignore[misc]
    cls.__setstate__ = __setstate__  # type: ignore[attr-defined]
    return cls


def _write_methods(cls: type) -> None:
    for each in reversed(cls.__mro__):
        if (settings := _waiting.pop(each, None)) is not None:
            del each.__init__, each.__setstate__  # type: ignore[misc, attr-defined]
            dataclasses.dataclass(**settings)(each)
