from __future__ import annotations

import sys

import pytest

import envs.doctor
from envs.__main__ import main
from envs.api import EnvironmentFailure
from envs.doctor import examine


def test_a_back_end_that_works_says_what_it_can_do():
    status, lines = examine("gymnasium")
    assert status == "works" and "CartPole-v1 runs: observations 4, 2 actions" in lines[0]
    assert any("envs list gymnasium" in line for line in lines)


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    status, lines = examine("dmlab")
    assert status == "missing" and "No module named 'deepmind_lab'" in lines[0] and "docs/dmlab.md" in lines[1]
    monkeypatch.setitem(sys.modules, "Box2D", None)
    assert any("CarRacing-v3" in line and "gymnasium[box2d]" in line for line in examine("gymnasium")[1])


@pytest.mark.parametrize("error", [ValueError("no map"), EnvironmentFailure("worker 0 died"), OSError("disk")])
def test_installed_but_broken_is_not_working(monkeypatch, error):
    def make(*_, **__):
        raise error

    monkeypatch.setattr(envs.doctor, "make", make)
    status, lines = examine("gymnasium")
    assert status == "fails" and lines[0] == f"CartPole-v1 does not run: {error}"


def test_the_command_prints_all_four_and_fails_only_without_the_built_in_suite(monkeypatch, capsys):
    monkeypatch.setattr(envs.doctor, "_try", lambda config: (config.backend != "envpool", f"{config.name} was tried"))
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for line in ("minilab: works", "dmlab: missing", "envpool: fails", "gymnasium: works"):
        assert line in printed.splitlines()
    monkeypatch.setattr(envs.doctor, "_try", lambda config: (False, "broken"))
    assert main(["doctor"]) == 2
    assert "built-in suite does not work here" in capsys.readouterr().err


def test_what_to_install_is_printed_whole(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "Box2D", None)
    monkeypatch.setattr(envs.doctor, "_try", lambda config: (True, "tried"))
    main(["doctor"])
    assert 'pip install "gymnasium[box2d]"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backend", "name"), [("dmlab", "rooms_watermaze"), ("gymnasium", "CartPole-v1"), ("envpool", "MyWayHome-v1")]
)
def test_list_prints_names_that_can_be_played(backend, name, capsys):
    assert main(["list", backend]) == 0
    assert f"{backend}/{name}" in capsys.readouterr().out.splitlines()


def test_list_of_a_package_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "envpool", None)
    assert main(["list", "envpool"]) == 2
    assert "envpool cannot be imported" in capsys.readouterr().err
