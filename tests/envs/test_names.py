from __future__ import annotations

import subprocess
import sys
import types

import pytest

from envs import EnvConfig, make, resolve, sees_vectors
from envs.lookup import unknown


@pytest.fixture
def lab_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepmind_lab", types.ModuleType("deepmind_lab"))


def played(name: str, backend: str = "auto") -> tuple[str, str]:
    config, _ = resolve(EnvConfig(name=name, backend=backend))
    return config.backend, config.name


@pytest.mark.parametrize(
    ("name", "backend", "wanted"),
    [
        ("rooms_watermaze", "auto", ("minilab", "rooms_watermaze")),
        ("minilab/rooms_watermaze", "auto", ("minilab", "rooms_watermaze")),
        ("rooms_watermaze", "dmlab", ("dmlab", "rooms_watermaze")),
        ("dmlab/contributed/dmlab30/rooms_watermaze", "auto", ("dmlab", "contributed/dmlab30/rooms_watermaze")),
        ("envpool/MyWayHome-v1", "auto", ("envpool", "MyWayHome-v1")),
        ("MyWayHome-v1", "envpool", ("envpool", "MyWayHome-v1")),
        ("gymnasium/CartPole-v1", "auto", ("gymnasium", "CartPole-v1")),
        ("gymnasium/CartPole-v1", "gymnasium", ("gymnasium", "CartPole-v1")),
        ("gymnasium/ALE/Pong-v5", "auto", ("gymnasium", "ALE/Pong-v5")),
        ("minilab/rooms_watermaze-v0", "gymnasium", ("gymnasium", "minilab/rooms_watermaze-v0")),
    ],
)
def test_who_plays(name, backend, wanted):
    assert played(name, backend) == wanted
    config, _ = resolve(EnvConfig(name=name, backend=backend))
    assert resolve(config) == (config, "")  # what a run records means the same when it is read again


def test_auto_says_who_and_why():
    _, why = resolve(EnvConfig(name="rooms_watermaze"))
    assert why == (
        "rooms_watermaze is played by the built-in minilab: "
        "deepmind_lab cannot be imported (No module named 'deepmind_lab'; docs/dmlab.md says how to build it)"
    )
    assert resolve(EnvConfig(name="rooms_watermaze", backend="minilab"))[1] == ""  # who chose needs no reason


def test_auto_takes_deepmind_lab_where_it_is_installed(lab_installed):
    config, why = resolve(EnvConfig(name="rooms_watermaze"))
    assert config.backend == "dmlab" and "DeepMind Lab, which is installed" in why
    assert played("natlab_fixed_large_map") == ("dmlab", "natlab_fixed_large_map")
    assert played("minilab/rooms_watermaze") == ("minilab", "rooms_watermaze")


def test_a_broken_deepmind_lab_is_not_taken(monkeypatch, tmp_path):
    (tmp_path / "deepmind_lab.py").write_text("import imp_that_is_gone\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config, why = resolve(EnvConfig(name="rooms_watermaze"))
    assert config.backend == "minilab" and "imp_that_is_gone" in why


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rooms_watermase", r"unknown environment 'rooms_watermase'. Did you mean rooms_watermaze\b"),
        ("CartPole-v1", "Did you mean .*gymnasium/CartPole-v1"),
        ("MyWayHome-v1", "Did you mean .*envpool/MyWayHome-v1"),
        ("contributed/dmlab30/rooms_watermaze", "Did you mean .*rooms_watermaze"),
        (
            "zzzzzzzz",
            "Known: rooms_watermaze, .*; `python -m envs list` prints the built-in ones, `list BACKEND` others",
        ),
        ("natlab_fixed_large_map", "level of DeepMind Lab only.*No module named 'deepmind_lab'"),
    ],
)
def test_unknown_names_list_near_matches(name, says):
    with pytest.raises(ValueError, match=says):
        resolve(EnvConfig(name=name))


def test_two_back_ends_in_one_request_are_refused():
    with pytest.raises(ValueError, match="envpool/Pong-v5 is envpool's, but the back end is minilab: give one"):
        resolve(EnvConfig(name="envpool/Pong-v5", backend="minilab"))


def test_few_names_are_all_listed():
    assert unknown("xyzxyz", "level", ["one", "two"]) == (
        "unknown level 'xyzxyz'. Known: one, two; `python -m envs list` prints the built-in ones, `list BACKEND` others"
    )


def test_only_minilab_lives_on_a_gpu():
    with pytest.raises(ValueError, match="device is 'cuda': environments of gymnasium live on the CPU"):
        make(EnvConfig(name="gymnasium/CartPole-v1"), seed=0, device="cuda")


def test_pictures_or_vectors():
    assert sees_vectors(EnvConfig(name="gymnasium/CartPole-v1"))
    assert not sees_vectors(EnvConfig(name="rooms_watermaze"))


def test_resolving_imports_no_simulator():
    code = (
        "import sys, envs; envs.resolve(envs.EnvConfig());"
        "print(*sorted({'torch', 'numba', 'gymnasium', 'envpool'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
