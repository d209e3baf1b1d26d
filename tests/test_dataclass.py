"""Classes whose methods are written late are those of the standard library in every respect."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.nodes import Name, Sum

DECORATORS = pytest.mark.parametrize("decorated", [dataclass, dataclasses.dataclass])


def pair(decorated: Any) -> Any:
    @decorated(frozen=True)
    class Pair:
        first: int
        second: tuple[int, ...] = ()
        third: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError("below 0")

        @cached_property
        def total(self) -> int:
            return self.first + sum(self.second)

    return Pair


@DECORATORS
def test_objects_behave_as_those_of_the_standard_library(decorated: Any) -> None:
    made = pair(decorated)
    one = made(1, (2, 3))
    assert one == made(1, second=(2, 3), third={"a": 1})
    assert one != made(1)
    assert hash(one) == hash(made(1, (2, 3))) == hash((1, (2, 3)))
    assert repr(one).endswith("Pair(first=1, second=(2, 3), third={})")
    assert dataclasses.replace(one, first=2) == made(2, (2, 3))
    assert [each.name for each in dataclasses.fields(made)] == ["first", "second", "third"]
    assert one.total == 6
    assert copy.copy(one) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 2
    with pytest.raises(TypeError, match="missing 1 required"):
        made()
    with pytest.raises(ValueError, match="below 0"):
        made(-1)


@DECORATORS
def test_a_mistake_in_the_first_call_is_told_like_any_other(decorated: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        pair(decorated)()
    with pytest.raises(ValueError, match="below 0"):
        pair(decorated)(-1)


@DECORATORS
def test_fields_are_inherited(decorated: Any) -> None:
    @decorated
    class Base:
        first: int
        second: int = 2

    @decorated
    class Derived(Base):
        third: int = 3

    class Own(Derived):
        def __init__(self) -> None:
            super().__init__(7)

    own = Own()
    assert (own.first, own.second, own.third) == (7, 2, 3)
    assert Derived(1).third == 3
    assert Base(1) == Base(1, 2)
    assert Base.__hash__ is None


@DECORATORS
def test_patterns_take_objects_apart(decorated: Any) -> None:
    first, second = pair(decorated), pair(decorated)
    match first(1, (2,)):
        case second(_, _, _):
            pytest.fail("an object of another class")
        case first(one, two):
            assert (one, two) == (1, (2,))
        case _:
            pytest.fail("not its own class")


def assigned(one: Any) -> str:
    with pytest.raises(dataclasses.FrozenInstanceError) as told:
        one.first = 2
    return str(told.value)


def deleted(one: Any) -> str:
    with pytest.raises(dataclasses.FrozenInstanceError) as told:
        del one.first
    return str(told.value)


FIRST_ACTS = {
    "eq": lambda one: one == one.__class__(1, (2, 3)),
    "hash": hash,
    "repr": repr,
    "assign": assigned,
    "delete": deleted,
    "our replace": lambda one: repr(replace(one, second=(4,))),
    "replace": lambda one: dataclasses.asdict(dataclasses.replace(one, second=())),
    "fields": lambda one: [
        (each.name, each.type, each.compare) for each in dataclasses.fields(one)
    ],
    "is": dataclasses.is_dataclass,
}


@pytest.mark.parametrize("act", FIRST_ACTS.values(), ids=list(FIRST_ACTS))
def test_whatever_is_done_first_is_done_as_by_the_standard_library(
    act: Callable[[Any], Any],
) -> None:
    ours, theirs = (pair(decorated)(1, (2, 3)) for decorated in (dataclass, dataclasses.dataclass))
    assert act(ours) == act(theirs)
    assert act(ours) == act(theirs), "the second time"


def test_only_what_is_used_is_written() -> None:
    made = pair(dataclass)
    put_off = {name: vars(made)[name] for name in ("__init__", "__dataclass_fields__")}
    made(1)
    assert vars(made)["__init__"] is not put_off["__init__"]
    assert vars(made)["__dataclass_fields__"] is put_off["__dataclass_fields__"]
    assert len(dataclasses.fields(made)) == 3
    assert vars(made)["__dataclass_fields__"] is not put_off["__dataclass_fields__"]


def test_a_process_that_has_made_none_can_unpickle() -> None:
    formula = Sum((Name("a"), Name("b")))
    program = (
        "import pickle, sys\n"
        "found = pickle.load(sys.stdin.buffer)\n"
        "assert {found: 1}[type(found)(found.terms)] == 1\n"
        "print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(formula),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == repr(formula)


def test_a_class_has_every_method_while_they_are_written() -> None:
    """Several threads make, compare and print the first objects of a class at once."""
    made = [pair(dataclass) for _ in range(30)]
    wrong: list[object] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for each in made:
            one, other = each(1, (2,)), each(1, (2,))
            if one != other or hash(one) != hash(other) or "first=1" not in repr(one):
                wrong.append(each)
            try:
                one.first = 2
            except dataclasses.FrozenInstanceError:
                continue
            wrong.append(each)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
