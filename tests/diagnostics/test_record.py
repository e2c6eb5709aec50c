"""Records against dataclasses: the same behaviour, class by class."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter

import hvaedsl.diagnostics.record
from hvaedsl.diagnostics.record import Record


class Place(Record):
    unit: ClassVar[str] = "code points"
    line: int
    name: str = field(default="here", compare=False, repr=False)
    notes: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def doubled(self) -> list[int]:
        return [self.line, self.line]


class Wide(Place):
    end: int = 0


class Named(Record, kw_only=True):
    first: int = 1
    second: int


class Derived(Named):
    third: int


@dataclass(frozen=True)
class PlainPlace:
    unit: ClassVar[str] = "code points"
    line: int
    name: str = field(default="here", compare=False, repr=False)
    notes: list[str] = field(default_factory=list, compare=False)


def test_it_is_a_dataclass_to_the_standard_library() -> None:
    place = Place(3, notes=["a"])
    assert is_dataclass(place)
    assert [item.name for item in fields(place)] == [item.name for item in fields(PlainPlace(3))]
    assert asdict(place) == asdict(PlainPlace(3, notes=["a"])) == {"line": 3, "name": "here", "notes": ["a"]}
    assert replace(place, line=4) == Place(4)
    assert repr(place) == repr(PlainPlace(3, notes=["a"])).replace("PlainPlace", "Place")
    assert Place.__match_args__ == PlainPlace.__match_args__


def test_equality_and_hash_leave_out_what_is_not_compared() -> None:
    assert Place(3, "a") == Place(3, "b")
    assert hash(Place(3, "a")) == hash(Place(3, "b"))
    assert Place(3) != Place(4)
    assert Place(3) != Wide(3)
    assert Place(3) != PlainPlace(3)
    assert len({Place(3, "a"), Place(3, "b"), Place(4)}) == 2


def test_it_is_frozen() -> None:
    place = Place(3)
    with pytest.raises(FrozenInstanceError):
        place.line = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del place.line
    assert place.line == 3


def test_defaults_are_made_anew_and_values_cached() -> None:
    one, other = Place(1), Place(2)
    one.notes.append("x")
    assert other.notes == []
    assert one.doubled is one.doubled
    assert replace(one, line=5).doubled == [5, 5]


def test_derived_records() -> None:
    assert Wide(1, "a", [], 9) == Wide(line=1, end=9)
    assert Derived(second=2, third=3) == Derived(first=1, second=2, third=3)
    match Wide(1, end=9):
        case Wide(line=1, end=end):
            assert end == 9
        case _:
            raise AssertionError


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_it_can_be_copied(copied: Callable[[Any], Any]) -> None:
    place = Wide(1, "a", ["b"], 9)
    assert copied(place) == place
    assert vars(copied(place)) == vars(place)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (Place, (), {}),
        (Place, (1, "a", [], 2), {}),
        (Place, (1,), {"line": 1}),
        (Place, (1,), {"other": 1}),
        (Place, (1, "a", []), {"other": 1}),
        (Named, (1,), {"second": 2}),
        (Named, (1, 2), {}),
        (Derived, (), {"third": 3}),
    ],
)
def test_what_a_dataclass_refuses_is_refused(kind: Any, values: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        kind(*values, **named)


def test_two_threads_make_the_first_object_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_fields(cls: Any) -> Any:
        time.sleep(0.2)
        return fields(cls)

    class Probe(Record):
        text: str = field(default="none", compare=False)

    monkeypatch.setattr(hvaedsl.diagnostics.record, "fields", slow_fields)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: Probe(), range(4)))
    assert [item.text for item in made] == ["none"] * 4
    assert Probe("a") == Probe("b")


def _wrong_arguments(kind: type[Record]) -> list[type[BaseException]]:
    calls: list[Callable[[], object]] = [
        kind,
        lambda: kind(1, "a", [], 4, 5),
        lambda: kind(1, line=2),
        lambda: kind(1, other=2),
        lambda: kind(name="a"),
    ]
    found: list[type[BaseException]] = []
    for call in calls:
        with pytest.raises(TypeError) as raised:
            call()
        found.append(raised.type)
    return found


def test_a_class_with_many_objects_gets_a_faster_constructor_that_does_the_same() -> None:
    class Base(Record):
        line: int
        name: str = field(default="here", compare=False, repr=False)
        notes: list[str] = field(default_factory=list, compare=False)

    class Early(Base):  # of which an object is made before the base has its constructor
        end: int = 0

    class Late(Base, kw_only=True):
        first: int
        second: int = 2

    early = Early(1, end=3)
    before = Base(3, notes=["a"])
    errors = _wrong_arguments(Base)
    assert Base.__init__ is Record.__init__
    made = [Base(number) for number in range(hvaedsl.diagnostics.record.GENERATED_AFTER)]
    assert Base.__init__ is not Record.__init__

    after = Base(3, notes=["a"])
    assert (after, vars(after), repr(after), hash(after)) == (before, vars(before), repr(before), hash(before))
    assert [item.line for item in made] == list(range(len(made)))
    assert Base(1).notes is not Base(1).notes
    assert replace(after, name="there").name == "there"
    assert _wrong_arguments(Base) == errors
    assert Early(1, end=3) == early
    assert vars(Early(1, "x", ["y"], 4)) == {"line": 1, "name": "x", "notes": ["y"], "end": 4}
    for _ in range(2):
        assert vars(Late(1, first=5)) == {"line": 1, "name": "here", "notes": [], "first": 5, "second": 2}
        with pytest.raises(TypeError):
            Late(1, "x", [], 5)  # type: ignore[call-arg]
        for _ in range(hvaedsl.diagnostics.record.GENERATED_AFTER):
            Late(1, first=5)
        assert Late.__init__ is not Record.__init__


def test_fields_may_have_the_names_of_the_variables_of_the_constructor() -> None:
    class Names(Record):
        self: int
        values: int
        missing: int = 3
        cls: list[int] = field(default_factory=list)

    expected = {"self": 1, "values": 2, "missing": 3, "cls": []}
    for _ in range(hvaedsl.diagnostics.record.GENERATED_AFTER + 1):
        assert vars(Names(1, 2)) == expected
    assert "__init__" in Names.__dict__
    assert vars(Names)["__init__"] is not Record.__init__


class Inner(Record):
    line: int


class Outer(Record):
    inner: Inner | None = None


def test_pydantic_knows_classes_without_an_object() -> None:
    assert TypeAdapter(Outer).validate_python({"inner": {"line": 3}}) == Outer(Inner(3))
