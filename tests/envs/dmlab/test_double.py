"""The double keeps to what is documented of the real module, and `LabEnv` to what that asks for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from envs.dmlab.lab import ACTIONS, LabEnv, LabSettings
from tests.envs.dmlab.double import HERE, read

FRAME, LEVEL = "RGB_INTERLEAVED", "seekavoid_arena_01"
GENERATED = "contributed/dmlab30/explore_goal_locations_small"
NOTHING = np.zeros(7, np.intc)


@pytest.fixture
def build(lab):
    import deepmind_lab

    made = []

    def build(level=LEVEL, observations=(FRAME,), **kwargs):
        kwargs.setdefault("config", {"width": "24", "height": "24"})
        made.append(deepmind_lab.Lab(level, list(observations), **kwargs))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_construction_is_picky(build, lab):
    import deepmind_lab

    for error, arguments in [
        (TypeError, (LEVEL, (FRAME,))),
        (TypeError, (LEVEL, [FRAME], {"width": 24})),
        (ValueError, (LEVEL, ["RGB_INTERLACE"])),
    ]:
        with pytest.raises(error):
            deepmind_lab.Lab(*arguments)
    for says, arguments in [
        ('Failed to init environment - "[^"]*\nInvalid setting', (LEVEL, [FRAME], {"widht": "24"})),
        ("Failed to apply setting 'width = 95' - \"'width' must be a pos", (LEVEL, [FRAME], {"width": "95"})),
        ("^Failed to connect RL API$", (LEVEL, [FRAME], {}, "hardware")),
        ('^Failed to set renderer must be .* actual "none"!$', (LEVEL, [FRAME], {}, "none")),
        ("Level not found: Failed to open file '.*/no_such_level.lua'", ("no_such_level", [FRAME])),
        ("only be used during evaluation", ("contributed/dmlab30/rooms_collect_good_objects_test", [FRAME])),
    ]:
        with pytest.raises(RuntimeError, match=says):
            deepmind_lab.Lab(*arguments)


def test_its_observations(build):
    one = build(config={})
    specs = {spec["name"]: spec["shape"] for spec in one.observation_spec()}
    assert len(specs) == 43 and specs[FRAME] == (240, 320, 3)
    assert specs["DEBUG.PLAYERS.EYE.POS"] == (0, 3) and specs["DEBUG.PLAYERS.ID"] == (0,)
    one = build(observations=list(specs))
    one.reset(seed=1)
    seen = one.observations()
    assert set(seen) == set(specs) and seen["DEBUG.PLAYERS.EYE.POS"].shape == (0, 3) and seen["INSTR"] == ""


@pytest.mark.parametrize(("seed", "taken"), [(2**31, -(2**31)), (2**32, 0), (2**40, 0), (-1, -1), (True, 1)])
def test_it_takes_the_lower_bits_of_any_seed(build, seed, taken):
    one = build()
    one.reset(seed=seed)
    assert read(one.observations()[FRAME]).seed == taken % 2**32


def test_it_leaves_a_file_in_a_folder_that_it_was_given(build, tmp_path, lab):
    (tmp_path / "own").mkdir()
    one = build(GENERATED, temp_folder=str(tmp_path / "own"))
    one.reset(seed=1)
    assert sorted(os.listdir(tmp_path / "own")) == ["baselab", "qkey"] and not os.listdir(lab.temporary)
    assert os.listdir(tmp_path / "own" / "baselab") == ["map.pk3"]
    one.close()
    assert os.listdir(tmp_path / "own") == ["qkey"]


def test_it_swallows_what_a_cache_raises(build, lab):
    class Broken(Cache):
        def fetch(self, key, path):
            raise KeyError(key)

    cache = Broken()
    one = build(GENERATED, level_cache=cache)
    assert one.reset(seed=1) and not cache.maps and len(lab.log("compile")) == 1


def test_it_prints_its_mazes_unless_it_is_told_not_to(build, capfd):
    build(GENERATED).reset(seed=1)
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 13 and not err
    build(GENERATED, config={"logLevel": "WARN"}).reset(seed=1)
    assert capfd.readouterr() == ("", "")


def test_a_map_that_it_cannot_compile_is_an_exception_of_many_lines(build, lab, monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="Failed to start environment - (.|\n)*Failed to compile map") as caught:
        build(GENERATED).reset(seed=1)
    assert len(str(caught.value).splitlines()) > 20 and len(capfd.readouterr().err.splitlines()) > 200


def test_life_of_a_lab(build, lab):
    lab.set(episode_frames=10)
    one = build(observations=[FRAME, "INSTR", "FRAMES_REMAINING_AT_60"])
    assert len(one.action_spec()) == 7 and not one.is_running()
    for call in (one.observations, one.events, lambda: one.step(NOTHING)):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(ValueError):
        one.reset(seed=np.int64(3))
    assert one.reset(seed=3) is True
    seen = one.observations()
    assert seen["INSTR"] == "" and seen["FRAMES_REMAINING_AT_60"].tolist() == [10.0]
    assert read(seen[FRAME]).seed == 3 and seen[FRAME] is not one.observations()[FRAME]
    for error, action in [(TypeError, [0] * 7), (ValueError, np.zeros(7)), (ValueError, np.zeros(6, np.intc))]:
        with pytest.raises(error):
            one.step(action)
    assert [one.step(NOTHING, num_steps=4) for _ in range(3)] == [4.0, 4.0, 2.0]
    assert not one.is_running() and one.num_steps() == 12 and one.events() == []
    for call in (one.observations, lambda: one.step(NOTHING)):
        with pytest.raises(RuntimeError):
            call()
    one.reset(seed=4)
    assert read(one.observations()[FRAME]).episode == 2
    strided = np.arange(14, dtype=np.intc)[::2]
    one.step(strided)
    assert read(one.observations()[FRAME]).action == tuple(range(7))  # not 0, 2, 4: strides are not looked at
    assert one.close() and not one.close()
    assert not os.listdir(lab.temporary)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("lab.close(); lab.reset(seed=1)", -signal.SIGSEGV),
        ("lab = Lab('tests/missing_map', []); lab.reset(seed=1)", 1),
        ("import signal; signal.alarm(2); os.fork() or lab.reset(seed=1); os.wait()", -signal.SIGALRM),
        ("os.kill(os.getpid(), 15)", -signal.SIGTERM),
    ],
)
def test_its_deaths(lab, ending, code):
    source = (
        f"import os, sys; sys.path.insert(0, {str(HERE)!r}); from deepmind_lab import Lab; lab = Lab('{LEVEL}', []);"
        f"{ending}"
    )
    group = subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.DEVNULL, start_new_session=True)
    assert group.wait(timeout=60) == code
    if "fork" in ending:
        os.killpg(group.pid, signal.SIGKILL)  # the child still hangs
    if code == -signal.SIGTERM:
        (left,) = os.listdir(lab.temporary)
        assert left.startswith("dmlab_temp_folder_")


class Cache:
    def __init__(self):
        self.maps = {}

    def fetch(self, key, path):
        if key in self.maps:
            with open(path, "wb") as file:
                file.write(self.maps[key])
        return key in self.maps

    def write(self, key, path):
        with open(path, "rb") as file:
            self.maps[key] = file.read()


def test_generated_levels_compile_unless_they_are_cached(build, lab):
    lab.set(compile_seconds=0.2)
    cache = Cache()
    one = build("contributed/dmlab30/explore_goal_locations_small", level_cache=cache)
    start = time.perf_counter()
    one.reset(seed=1)
    assert time.perf_counter() - start >= 0.2
    one.reset(seed=1)
    one.reset(seed=2)
    assert [line[0] for line in lab.log() if line[0] in ("compile", "hit")] == ["compile", "hit", "compile"]
    assert len(cache.maps) == 2
    build(level_cache=cache).reset(seed=1)
    assert len(cache.maps) == 2


@pytest.fixture
def lab_env(lab, tmp_path):
    settings = LabSettings(LEVEL, 24, 28, "software", tmp_path / "cache", False, False, True)
    envs = []

    def make(**changes):
        envs.append(LabEnv(settings._replace(**changes)))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def test_lab_env_builds_its_lab_in_the_first_reset_and_keeps_it(lab, lab_env):
    env = lab_env()
    assert env.observation_space.shape == (24, 28, 3) and env.action_space.n == 9
    with pytest.raises(RuntimeError, match="reset"):
        env.step(0)
    for seed in (None, -1, 2**31, 2**40):  # the engine would take another one
        with pytest.raises(ValueError, match="seed"):
            env.reset(seed=seed)
    assert not lab.log("construct") and not os.listdir(lab.temporary)
    for seed in (5, np.int64(6)):
        obs, _ = env.reset(seed=seed)
        assert obs in env.observation_space and read(obs).seed == seed
    assert len(lab.log("construct")) == 1 and len(os.listdir(lab.temporary)) == 1
    env.close()
    env.close()
    assert not os.listdir(lab.temporary)
    assert read(env.reset(seed=7)[0]).seed == 7


def test_lab_env_repeats_the_last_frame_at_an_end(lab, lab_env):
    lab.set(episode_frames=8)
    env = lab_env()
    env.reset(seed=1)
    obs, reward, *_ = env.step(np.int64(3))
    last, reward, terminated, truncated, _ = env.step(3)
    assert read(obs) == read(last) and read(last).frames == 4 and reward == 4.0 and truncated and not terminated


def test_lab_env_has_an_end_by_the_clock_though_frames_are_counted_in_floats(lab, lab_env):
    env = lab_env()
    env.reset(seed=1)
    env._lab.is_running = lambda: False
    for remaining, truncated in [(4.0000001, True), (0.0, True), (5.0, False), (8.0, False)]:
        env._remaining = remaining
        assert env.step(0)[3] == truncated and env.step(0)[2] != truncated


def test_the_table_of_actions_is_what_the_engine_reads():
    assert ACTIONS.shape == (9, 7) and ACTIONS.dtype == np.intc and ACTIONS.flags.c_contiguous
