import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types as bounds
import pytest
from pydantic import BaseModel, Field

from configs import Frozen
from cpc_rl.runs import RunConfig, pick_device
from envs.config import EnvConfig

PACKAGES = ("configs", "envs", "cpc_rl", "cpc_repr", "agents")


def models() -> list[type[BaseModel]]:
    """All configuration models of the project: every module is imported."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.rpartition(".")[2].startswith("__main__"):
                importlib.import_module(module.name)
    found, queue = [], [BaseModel]
    while queue:
        below = queue.pop().__subclasses__()
        queue += below
        found += [model for model in below if model.__module__.partition(".")[0] in PACKAGES]
    return list(dict.fromkeys(found))


def unbounded(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[Any]:
    """Number types within `annotation` that lack a lower or an upper bound."""
    if get_origin(annotation) is Annotated:
        annotation, *own = get_args(annotation)
        metadata = (*metadata, *(m for field in own for m in getattr(field, "metadata", [field])))
    if annotation in (int, float):
        low = any(isinstance(m, bounds.Gt | bounds.Ge) for m in metadata)
        high = any(isinstance(m, bounds.Lt | bounds.Le) for m in metadata)
        if not (low and high):
            yield annotation
    if get_origin(annotation) is not Literal:
        inner = metadata if type(None) in get_args(annotation) else ()  # a bound of `int | None` is one of the int
        for part in get_args(annotation):
            yield from unbounded(part, inner)


def complaints(found: list[type[BaseModel]]) -> list[str]:
    return [
        f"{model.__module__}.{model.__name__}.{name}"
        for model in found
        for name, field in model.model_fields.items()
        if any(unbounded(field.annotation, tuple(field.metadata)))
    ]


def test_every_number_of_every_model_has_a_lower_and_an_upper_bound() -> None:
    found = models()
    assert {"agents.config", "cpc_repr.vision.encoders.config", "envs.config"} <= {model.__module__ for model in found}
    assert complaints(found) == []


def test_a_missing_bound_is_found_wherever_it_hides() -> None:
    class Loose(Frozen):
        low: int = Field(default=1, ge=0)
        high: float = Field(default=1, le=0)
        optional: int | None = Field(default=None, ge=0)
        many: tuple[int, ...] = Field(default=(), min_length=0, max_length=3)
        table: dict[str, tuple[int, float]] = Field(default_factory=dict)

    class Tight(Frozen):
        number: int | None = Field(default=None, ge=0, lt=2)
        many: tuple[Annotated[int, Field(ge=0, le=9)], ...] = ()
        word: Literal[1, 2] = 1
        flag: bool = False

    assert [name.rpartition(".")[2] for name in complaints([Loose])] == list(Loose.model_fields)
    assert complaints([Tight]) == []


@pytest.mark.parametrize("number", [10**15 + 1, int("9" * 4000), 0])
def test_no_frames_beyond_any_machine(number: int) -> None:
    with pytest.raises(ValueError, match="than or equal to"):
        RunConfig(frames=number)
    assert RunConfig(frames=10**12).frames == 10**12  # the longest run that was tried


def test_a_number_that_is_none_is_within_no_bounds() -> None:
    with pytest.raises(ValueError, match="1000000"):
        EnvConfig(env_timeout=float("nan"))


@pytest.mark.parametrize("name", ["cuda:99999999999999999999", "cuda:1000", "cuda:", "cuda:-1", "cuda:\u0663"])
def test_a_device_that_no_machine_can_have_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        RunConfig(device=name)


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    with pytest.raises(Exception, match=r"--device cuda:900: PyTorch sees \d+ CUDA devices here"):
        pick_device(RunConfig(device="cuda:900").device)
    assert pick_device("cpu").type == "cpu"
