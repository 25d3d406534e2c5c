"""What no seed cures ends a run at once, in one line that names what is missing; what one may cure does not."""

from __future__ import annotations

import importlib
import re
import shutil
import sys

import pytest

import envs.doctor
from envs import EnvConfig
from envs.api import EnvironmentFailure
from envs.dmlab.cache import LevelCache
from envs.dmlab.diagnosis import advise, not_compiled
from envs.dmlab.env import DMLabEnv
from envs.dmlab.lab import LabEnv, LabSettings
from envs.doctor import examine
from envs.errors import Incurable
from envs.names import resolve
from envs.workers.child import Phase
from envs.workers.process import Failure
from tests.envs.dmlab.double import frames, start

GENERATED, PLAIN = "explore_goal_locations_small", "rooms_watermaze"


def refused(call, match):
    """It is refused in one line, once."""
    with pytest.raises((ValueError, Incurable), match=match) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400 and not re.search(r"(.{20,}).*\1", text), text


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ("bin/zip", r"explore_goal_locations_small: its map cannot be compiled: zip is not on the PATH$"),
        ("q3map2/q3map2", "its map cannot be compiled: q3map2 is not at .*q3map2/q3map2$"),
        ("bspc", "its map cannot be compiled: bspc is not at .*bspc$"),
    ],
)
def test_a_map_that_cannot_be_compiled_names_the_tool_that_is_missing(lab, make, monkeypatch, capfd, tool, says):
    (lab.runfiles / tool).unlink()
    monkeypatch.setenv("PATH", str(lab.runfiles / "bin"))
    env = make(GENERATED)
    refused(env.reset, says)
    assert 1 <= len(lab.log("compile")) <= 2  # one a worker
    assert capfd.readouterr() == ("", "")


def test_a_run_that_cannot_begin_is_refused_in_one_line_and_leaves_its_name_free(lab, tmp_path):
    (lab.runfiles / "q3map2/q3map2").unlink()
    words = f"-m agents.a2c --env dmlab/{GENERATED} --num-envs 2 --dmlab-cache cache --run run --device cpu --threads 1"
    process = start(lab, tmp_path, words.split(), 0)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and err.startswith(
        f"error: {GENERATED}: its map cannot be compiled: q3map2 is not at"
    )
    assert err.count("\n") == 1 and not out and not (tmp_path / "run").exists()


def test_prebuilt_levels_need_no_compiler(lab, make):
    for tool in ("q3map2/q3map2", "bspc"):
        (lab.runfiles / tool).unlink()
    assert frames(make().reset())[0].frames == 0


def test_a_map_that_fails_with_all_tools_there_may_be_cured(lab):
    error = RuntimeError("Failed to start environment - Failed to compile map.\nMap Name:\nmap")
    assert not_compiled(error) == "" == not_compiled(RuntimeError("something else"))
    (lab.runfiles / "bspc").chmod(0o600)
    assert "bspc" in not_compiled(error) and not_compiled(RuntimeError("something else")) == ""


def test_a_missing_library_or_another_renderer_is_refused_before_anything_starts(lab, make):
    refused(lambda: make(dmlab_renderer="hardware"), r"built for the software renderer: --dmlab-renderer software$")
    (lab.runfiles / "libdmlab_headless_sw.so").unlink()
    refused(make, "the engine's library .*libdmlab_headless_sw.so is missing: build and install the wheel again$")
    (lab.runfiles / "libdmlab_headless_hw.so").touch()
    refused(make, r"built for the hardware renderer: --dmlab-renderer hardware$")


def test_a_library_that_cannot_be_loaded_says_why_once(lab, make, capfd):
    (lab.runfiles / "libdmlab_headless_sw.so").write_text("libOSMesa.so.8")
    env = make()
    refused(env.reset, r"rooms_watermaze: the engine's library cannot be loaded \(.*libOSMesa.so.8: cannot open")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["contributed/dmlab30/rooms_watermase", "/nowhere/own.lua"])
def test_a_level_that_is_not_there_is_refused_before_anything_starts(lab, make, name):
    refused(lambda: make(name), f"DeepMind Lab has no level {name}; `python -m envs list dmlab` prints names$")
    assert not lab.log()


def test_what_the_engine_refuses_is_said_in_its_own_words_once(lab, make, monkeypatch, tmp_path):
    settings = LabSettings(PLAIN, 24, 30, "software", tmp_path / "cache", False, False, True)
    for changes, match in [
        ({}, r"^DeepMind Lab has no level rooms_watermaze"),
        ({"level": "seekavoid_arena_01"}, "^Failed to apply setting 'width = 30' - .*multiple of 4. Actual 30"),
        (
            {"level": "contributed/dmlab30/rooms_collect_good_objects_test", "width": 24},
            "only be used during evaluation",
        ),
        ({"level": "seekavoid_arena_01", "width": 24, "renderer": "hardware"}, "built for the software renderer"),
    ]:
        env = LabEnv(settings._replace(**changes))
        if "width" not in changes and "level" not in changes:
            env = LabEnv(settings._replace(width=24))
        refused(lambda env=env: env.reset(seed=1), match)
        env.close()


def test_a_missing_map_ends_a_run_at_once(lab, make, capfd):
    env = make("tests/missing_map")
    refused(env.reset, r"^tests/missing_map: its map 'nowhere' is missing: check the level's name")
    assert capfd.readouterr() == ("", "")
    env.close()


def test_a_map_that_was_made_and_is_bad_may_be_cured(lab, make, tmp_path, capfd):
    make(GENERATED, num_envs=1, dmlab_seeds=1).reset()
    (entry,) = (tmp_path / "cache").iterdir()
    (tmp_path / "bad").write_bytes(b"no archive")
    cache = LevelCache(tmp_path / "cache")
    cache._path = lambda key: entry
    cache.write("", str(tmp_path / "bad"))
    with pytest.raises(EnvironmentFailure) as caught:
        make(GENERATED, num_envs=1, dmlab_seeds=1).reset()
    message = str(caught.value)
    assert "failed 3 times" in message and "(seeds 1, 1, 1: ended with exit code 1 at the beginning" in message
    assert message.count("exit code 1") == 1 and "cache of maps" in message
    assert capfd.readouterr().err.count("Didn't find map 'map'") == 2  # each failure that was made good is told whole


def test_advice_depends_on_the_failure():
    def of(phase, code, what=""):
        return advise(Failure(0, 1, phase, what, code))

    assert "TMPDIR" in of(Phase.RESET, 1) and "230 MB" in of(Phase.STEP, -9)
    assert "TMPDIR" in of(Phase.RESET, None, "raised RuntimeError: Failed to compile map.")
    assert of(Phase.STEP, 1) == of(Phase.STEP, -11) == of(Phase.RESET, None, "gave no answer") == ""


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("pkg_resources", "setuptools 81 and later have none: pip install 'setuptools<81'"),
        ("dm_env", "pip install dm-env"),
        ("six", "pip install six"),
        ("imp", "Python 3.12 and later have none: install the wheel in Python 3.11"),
        ("numpy.core.multiarray", "docs/dmlab.md says what it needs"),
    ],
)
def test_what_the_wheel_lacks_is_named_with_its_remedy(lab, module, remedy):
    lab.set(lacks=module)
    sys.modules.pop("deepmind_lab", None)
    says = f"(No module named '{module}'; {remedy})"
    config = EnvConfig(name=PLAIN, backend="dmlab")
    refused(lambda: DMLabEnv(config, 0), re.escape(f"deepmind_lab cannot be imported {says}"))
    assert resolve(EnvConfig(name=PLAIN))[1].endswith(says)
    status, lines = examine("dmlab")
    assert status == "missing" and says in lines[0] and "docs/dmlab.md" in lines[1]


def test_a_module_that_is_lost_later_ends_a_run_at_once(lab, make):
    env = make()
    lab.set(lacks="dm_env")
    refused(
        env.reset, r"rooms_watermaze: deepmind_lab cannot be imported \(No module named 'dm_env'; pip install dm-env"
    )


def test_without_the_module(tmp_path):
    with pytest.raises(ValueError, match=r"deepmind_lab cannot be imported \(No module.*docs/dmlab.md"):
        DMLabEnv(EnvConfig(name=PLAIN, backend="dmlab"), 0)


def test_the_doctor_says_what_maps_need(lab, monkeypatch):
    monkeypatch.setattr(envs.doctor, "_try", lambda config: (True, "tried"))
    assert "maps can be compiled" in examine("dmlab")[1][1]
    (lab.runfiles / "bspc").unlink()
    monkeypatch.setenv("PATH", "")
    line = examine("dmlab")[1][1]
    assert "zip is not on the PATH and bspc is not at" in line and shutil.which("zip") is None


def test_an_installation_that_lies_otherwise_is_left_to_the_engine(lab, make):
    importlib.import_module("deepmind_lab")
    shutil.rmtree(lab.runfiles / "baselab")
    refused(
        make("seekavoid_arena_01", num_envs=1).reset, "Failed to init environment - .Level not found: Failed to open"
    )
