"""What `make test-lowest` installs."""

from __future__ import annotations

import tomllib

import pytest

from tests.lowest import EXTRAS, ROOT, bounds, lowest


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("numpy>=1.26", "numpy==1.26"),
        ("labmaze>=1.0.6", "labmaze==1.0.6"),
        ("gymnasium[classic-control]>=1.1", "gymnasium==1.1"),
        ("types-PyYAML", None),
    ],
)
def test_the_lowest_version_is_the_bound_itself(requirement: str, version: str | None) -> None:
    assert lowest(requirement) == version


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {line.partition("=")[0] for line in bounds(project)} >= {
        line.partition(">")[0] for line in project["dependencies"]
    }
    assert len(bounds(project)) > len(project["dependencies"])


def test_every_extra_is_installed_or_left_out_on_purpose() -> None:
    """Tests of the last four skip themselves, and two are made of others."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*EXTRAS, "gpu", "labmaze", "mlflow", "trackio", "all", "dev"} == extras.keys()
