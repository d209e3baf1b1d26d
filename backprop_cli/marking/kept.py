"""Methods that work out the same thing once, and things put together by what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar

Found = TypeVar("Found")
Key = TypeVar("Key")


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


def spread(
    rows: Iterable[tuple[str, Iterable[str], Key, Found]],
) -> Iterator[tuple[str, dict[Key, Found]]]:
    """What is of a kind at each of the places that it belongs to, by a word for both; places with
    the same things of a kind are one."""
    found: dict[tuple[str, str], dict[Key, Found]] = {}
    for kind, places, key, value in rows:
        for place in places:
            found.setdefault((kind, place), {}).setdefault(key, value)
    alike = set[tuple[str, frozenset[Key]]]()
    for (kind, place), group in found.items():
        if (kind, frozenset(group)) not in alike:
            alike.add((kind, frozenset(group)))
            yield f"{kind}: {place}", group


def grouped(pairs: Iterable[tuple[Key, Found]]) -> dict[Key, list[Found]]:
    """What comes with each key, in order."""
    found: dict[Key, list[Found]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
