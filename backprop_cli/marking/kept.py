"""Methods that work out the same thing once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Found = TypeVar("Found")


def kept(method: Callable[..., Found]) -> Callable[..., Found]:
    """A method whose results are kept with its object, by what it was called with: for what
    depends on the sheet alone."""
    name = f"_kept_{method.__name__}"

    @wraps(method)
    def found(self: Any, *key: Any) -> Found:
        results: dict[Any, Found] = self.__dict__.setdefault(name, {})
        if key not in results:
            results[key] = method(self, *key)
        return results[key]

    return found
