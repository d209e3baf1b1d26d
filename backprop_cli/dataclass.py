"""`dataclass` as in the standard library, each method written when it is first used.

Writing them all costs a third of a millisecond a class. A command makes objects of half of the
classes that it imports, and most of those it never compares, hashes, prints or replaces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **settings: bool) -> type | Callable[[type], type]:
        """A class of fields, as `dataclasses.dataclass` makes it."""
        return _later(cls, settings) if cls else lambda cls: _later(cls, settings)


_waiting: dict[type, Mapping[str, bool]] = {}
"""The classes that have their `__init__` at most, with how they are decorated."""

_fields: dict[type, Mapping[str, Any]] = {}
"""Of each class, also those that it inherits: the default, or what `field` made."""


def _later(cls: type, settings: Mapping[str, bool]) -> type:
    """The class with methods that make room for those of the standard library when they are
    called; but for `__init__`, which is written here: it is all that most classes need."""
    said, fields = vars(cls), dict[str, Any]()
    for each in reversed(cls.__mro__[1:]):
        fields |= _fields.get(each, {})
    for name, kind in cls.__annotations__.items():
        if not kind.startswith("ClassVar"):
            fields[name] = said.get(name, fields.get(name, dataclasses.MISSING))
    _fields[cls], _waiting[cls] = fields, settings
    cls.__match_args__ = tuple(fields)  # type: ignore[misc, attr-defined]
    for name in _put_off(settings):
        if said.get(name) is None:
            setattr(cls, name, _STAND_INS[name])
    if "__hash__" not in said and settings.get("eq", True):
        cls.__hash__ = None  # type: ignore[assignment]

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        cls.__init__ = _initializer(cls, settings)  # type: ignore[misc]
        cls.__init__(self, *values, **named)  # type: ignore[misc]

    cls.__init__ = __init__  # type: ignore[misc]
    return cls


def _initializer(cls: type, settings: Mapping[str, bool]) -> Callable[..., None]:
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
        frozen = settings.get("frozen", False)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n ".join(lines or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n {body}", known)
    written: Callable[..., None] = known["__init__"]
    written.__qualname__ = f"{cls.__qualname__}.__init__"  # as it stands in messages
    return written


def _put_off(settings: Mapping[str, bool]) -> Iterator[str]:
    """The methods that the standard library writes for such a class."""
    yield from ("__repr__", "__dataclass_fields__")
    if settings.get("eq", True):
        yield "__eq__"
    if settings.get("frozen"):
        yield from ("__setattr__", "__delattr__")
        if settings.get("eq", True):
            yield "__hash__"


def _stand_in(name: str) -> Callable[..., Any]:
    def method(self: Any, *values: Any) -> Any:
        _write_methods(type(self))
        return getattr(type(self), name)(self, *values)

    return method


class _Fields:
    """`__dataclass_fields__`, which `replace`, `fields` and `is_dataclass` ask for."""

    def __get__(self, made: Any, cls: type) -> Any:
        _write_methods(cls)
        return cls.__dataclass_fields__  # type: ignore[attr-defined]


def _frozen(change: str) -> Callable[..., None]:
    def method(self: Any, name: str, *_: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot {change} field {name!r}")

    return method


_STAND_INS = {
    "__dataclass_fields__": _Fields(),
    **{name: _stand_in(name) for name in ("__repr__", "__eq__", "__hash__")},
    "__setattr__": _frozen("assign to"),
    "__delattr__": _frozen("delete"),
}
_KEPT = frozenset({"__dict__", "__weakref__", "__setattr__", "__delattr__"})


def _write_methods(cls: type) -> None:
    """Put the methods of the standard library in the place of their stand-ins.

    They are written on a twin and moved over one by one, so that a class has every method at every
    moment: another thread may be using it, or Ctrl-C stop this one.
    """
    for each in reversed(cls.__mro__):
        if (settings := _waiting.get(each)) is not None:
            said = {
                name: value
                for name, value in vars(each).copy().items()
                if name not in _KEPT and value is not _STAND_INS.get(name)
            }
            said |= {"__doc__": each.__doc__ or "", "__annotations__": each.__annotations__}
            twin = type(each)(each.__name__, each.__bases__, said)
            dataclasses.dataclass(init=False, **settings)(twin)
            for name, value in vars(twin).items():
                if name not in said and name not in _KEPT:
                    setattr(each, name, value)
            _waiting.pop(each, None)
