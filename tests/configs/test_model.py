from typing import Annotated

import pytest
import tyro

from configs import Frozen, MayChange, changeable_keys, flag_names, load
from configs.model import flatten, keys_of
from configs.spelling import spell_whole
from tests.configs.tiny import Config


def test_flag_names_follow_the_marks() -> None:
    names = flag_names(Config)
    assert names["world.name"] == "--env"  # section left out, field renamed
    assert names["world.num_envs"] == "--num-envs"
    assert names["head.by_action"] == "--head.by-action"
    assert names["aux"] == "--aux"


def test_keys_by_their_type() -> None:
    assert keys_of(Config, bool) == {"run.wandb", "run.debug", "head.by_action"}
    assert keys_of(Config, int, int | None) == {"world.num_envs", "head.steps", "run.most"}


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("14.0", "14"),
        ("1e6", "1000000"),
        ("1.5E+1", "15"),
        ("-2.", "-2"),
        ("9007199254740993.0", "9007199254740993"),  # no float holds it
        ("14.5", "14.5"),
        ("1e-3", "1e-3"),
        ("1e999999999", "1e999999999"),
        ("9" * 5000, "9" * 5000),
        ("nan", "nan"),
        ("many", "many"),
    ],
)
def test_whole_numbers_however_they_are_written(text: str, spelt: str) -> None:
    assert spell_whole(text) == spelt


def test_flatten() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}


class Leaf(Frozen):
    count: int = 1


class Bare(Frozen):
    steps: int = 1
    leaf: Leaf = Leaf()


class Whole(Frozen):
    bare: Annotated[Bare, tyro.conf.arg(name="")] = Bare()


def test_a_section_may_leave_out_its_own_name_alone() -> None:
    assert flag_names(Whole) == {"bare.steps": "--steps", "bare.leaf.count": "--leaf.count"}
    loaded = load(Whole, ["--steps", "3", "--leaf.count", "5"], prog="x", description="")
    assert loaded.bare == Bare(steps=3, leaf=Leaf(count=5))


class Inner(Frozen):
    free: MayChange[int] = 1
    bound: int = 1


class Outer(Frozen):
    inner: Inner = Inner()
    all_of_it: MayChange[Inner] = Inner()
    place: MayChange[str | None] = None
    seed: int = 1


def test_changeable_keys_are_marked_fields_and_all_fields_of_marked_sections() -> None:
    assert changeable_keys(Outer) == {"inner.free", "all_of_it.free", "all_of_it.bound", "place"}
    assert flag_names(Outer)["place"] == "--place"  # the mark is no name
