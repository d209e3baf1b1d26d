"""`dataclass` as in the standard library, each method written when it is first used.

Writing them all costs a third of a millisecond a class. A command makes objects of half of the
classes that it imports, and most of those it never compares, hashes, prints or replaces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:

    def dataclass(cls: type | None = None, /, **settings: bool) -> type | Callable[[type], type]:
        """A class of fields, as `dataclasses.dataclass` makes it."""
        return _made(cls, **settings) if cls else lambda cls: _made(cls, **settings)

    def replace(made: Any, /, **changes: Any) -> Any:
        """The same object but for some fields, as `dataclasses.replace` makes it."""
        cls = type(made)
        return cls(**{name: getattr(made, name) for name in cls.__match_args__} | changes)


_fields: dict[type, Mapping[str, Any]] = {}
"""Of each class, also those that it inherits: the default, or what `field` made."""


def _made(cls: type, frozen: bool = False, eq: bool = True) -> type:
    """The class with the methods of a class of fields, but for those that it has itself."""
    said, fields = vars(cls), dict[str, Any]()
    for each in reversed(cls.__mro__[1:]):
        fields |= _fields.get(each, {})
    for name, kind in cls.__annotations__.items():
        if not kind.startswith("ClassVar"):
            fields[name] = said.get(name, fields.get(name, dataclasses.MISSING))
    _fields[cls] = fields
    own = {"__match_args__": tuple(fields), "__dataclass_fields__": _FIELDS, "__repr__": _printed}
    own["__init__"] = _later(cls, "__init__", lambda: _initializer(cls, frozen))
    if frozen:
        own |= {"__setattr__": _ASSIGN, "__delattr__": _DELETE}
    if eq:
        own["__eq__"] = _later(cls, "__eq__", lambda: _comparison(fields))
        hashed = _later(cls, "__hash__", lambda: _hash(fields))
        own["__hash__"] = hashed if frozen else None
    for name, method in own.items():
        if said.get(name) is None:
            setattr(cls, name, method)
    return cls


def _later(cls: type, name: str, write: Callable[[], Any]) -> Callable[..., Any]:
    """A method that is written when it is first called."""

    def method(self: Any, *values: Any, **named: Any) -> Any:
        setattr(cls, name, write())
        return getattr(cls, name)(self, *values, **named)

    return method


def _initializer(cls: type, frozen: bool) -> Any:
    """`__init__` of a class of fields."""
    known: dict[str, Any] = {"_set": object.__setattr__}
    parameters, lines = ["self"], []
    for name, default in _fields[cls].items():
        value = name
        if isinstance(default, dataclasses.Field):
            if default.default_factory is not dataclasses.MISSING:
                known[f"_make_{name}"] = default.default_factory
                value = f"_make_{name}() if {name} is _make_{name} else {name}"
                default = default.default_factory
            else:
                default = default.default
        if default is not dataclasses.MISSING:
            known[f"_default_{name}"] = default
        parameters.append(name if default is dataclasses.MISSING else f"{name}=_default_{name}")
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n ".join(lines or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n {body}", known)
    written = known["__init__"]
    written.__qualname__ = f"{cls.__qualname__}.__init__"  # as it stands in messages
    return written


def _comparison(fields: Mapping[str, Any]) -> Any:
    own, others = (_tuple(each, _of("compare", fields)) for each in ("self", "other"))
    same = f"{own} == {others} if type(self) is type(other) else NotImplemented"
    return eval(f"lambda self, other: {same}")


def _hash(fields: Mapping[str, Any]) -> Any:
    names = [name for name in _of("compare", fields) if name in _of("hash", fields)]
    return eval(f"lambda self: hash({_tuple('self', names)})")


def _of(what: str, fields: Mapping[str, Any]) -> list[str]:
    """The names of the fields that take part in printing, comparing or hashing."""
    return [name for name, default in fields.items() if getattr(default, what, None) is not False]


def _tuple(made: str, names: Sequence[str]) -> str:
    """The source of the values of an object's fields."""
    return f"({''.join(f'{made}.{name}, ' for name in names)})"


def _own(cls: type) -> type:
    """The class of fields that a class is or is made from."""
    return next(each for each in cls.__mro__ if each in _fields)


@recursive_repr()
def _printed(made: Any) -> str:
    names = _of("repr", _fields[_own(type(made))])
    shown = ", ".join(f"{name}={getattr(made, name)!r}" for name in names)
    return f"{type(made).__qualname__}({shown})"


class _Fields:
    """`__dataclass_fields__`, which the `replace` and `fields` of the standard library ask for."""

    def __get__(self, made: Any, cls: type) -> Any:
        own = _own(cls)
        said: dict[str, Any] = {"__module__": own.__module__, "__annotations__": {}}
        for each in reversed(own.__mro__):
            said["__annotations__"] |= each.__annotations__ if each in _fields else {}
        for name, default in _fields[own].items():
            if default is not dataclasses.MISSING:
                said[name] = default
        twin: Any = type(own.__name__, (), said)
        found = dataclasses.dataclass(init=False, repr=False, eq=False)(twin).__dataclass_fields__
        own.__dataclass_fields__ = found  # type: ignore[attr-defined]
        return found


_FIELDS = _Fields()


def _frozen(change: str) -> Callable[..., None]:
    def method(self: Any, name: str, *_: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot {change} field {name!r}")

    return method


_ASSIGN, _DELETE = _frozen("assign to"), _frozen("delete")
