from __future__ import annotations

import gc
import os
import signal
from collections import Counter

import psutil
import pytest
import torch

from cpc_rl.episodes import RandomPolicy, evaluate
from envs import EnvConfig
from envs.api import EnvironmentFailure
from envs.dmlab.env import DMLabEnv, episode_seed
from envs.dmlab.levels import DMLAB_LEVELS
from envs.minilab.physics import ACTION_NAMES
from tests.envs.dmlab.double import frames, start
from tests.envs.processes import eventually, gone


def seeds(worker, count, run_seed=0, pool=1024):
    return [episode_seed(run_seed, worker, k, pool) for k in range(1, count + 1)]


def forward(env, actions=0):
    return env.step(torch.full((env.num_envs,), actions))


def test_rows(lab, make):
    lab.set(episode_frames=18)  # five agent steps, the last one of two frames
    env = make(height=28, width=32)
    step = env.reset()
    assert (env.name, env.backend, env.num_actions, env.action_repeat) == ("rooms_watermaze", "dmlab", 9, 4)
    assert env.obs_shape == (28, 32, 3) and env.frames_per_second == 60.0 and not env.restores
    assert step.obs.dtype == torch.uint8 and step.obs.shape == (2, 28, 32, 3) and step.obs.is_contiguous()
    assert (
        step.is_first.all() and step.valid.all() and not (step.terminated | step.truncated | step.reward.bool()).any()
    )
    plan = [seeds(0, 3), seeds(1, 3)]
    assert [(f.frames, f.seed) for f in frames(step)] == [(0, plan[0][0]), (0, plan[1][0])]
    for episode in (0, 1):
        for k in range(1, 6):
            step = forward(env)
            last = k == 5
            shown = [(0 if last else 4 * k, plan[i][episode + last]) for i in (0, 1)]
            assert [(f.frames, f.seed) for f in frames(step)] == shown
            assert step.reward.tolist() == [2.0 if last else 4.0] * 2 and step.reward.dtype == torch.float32
            assert step.truncated.tolist() == step.is_first.tolist() == [last] * 2
            assert not step.terminated.any() and step.valid.all() and step.final_obs is None
    step = env.reset()
    assert [f.frames for f in frames(step)] == [0, 0] and [f.episode for f in frames(step)] == [4, 4]
    assert step.is_first.all() and not step.truncated.any()


@pytest.mark.parametrize(
    ("settings", "terminated"),
    [({"goal_frames": 8}, True), ({"episode_frames": 8}, False), ({"goal_frames": 8, "has_clock": False}, False)],
)
def test_an_end_before_the_time_is_up_is_terminal(lab, make, settings, terminated):
    lab.set(**settings)
    env = make(num_envs=1)
    env.reset()
    forward(env)
    step = forward(env)
    assert step.is_first.all() and step.terminated.all() == terminated and step.truncated.all() != terminated


def test_actions_are_those_of_minilab(lab, make):
    env = make(num_envs=3)
    env.reset()
    rows = [env.step(torch.arange(low, low + 3)) for low in (0, 3, 6)]
    assert env.num_actions == len(ACTION_NAMES) == 9
    assert [row.reward.tolist() for row in rows] == [[4.0] * 3, [4.0] * 3, [4.0, 4.0, 14.0]]
    rows = [shown for low in (0, 3, 6) for shown in frames(env.step(torch.arange(low, low + 3)))]
    turn = {"left": -20, "right": 20}
    for name, shown in zip(ACTION_NAMES, rows, strict=True):
        words = name.split("_")
        wanted = [0] * 7
        if words[0] == "look":
            wanted[0] = turn[words[1]]
        if words[0] == "strafe":
            wanted[2] = {"left": -1, "right": 1}[words[1]]
        wanted[3] = {"forward": 1, "backward": -1}.get(words[-1], 0)
        wanted[4] = int(name == "fire")
        assert list(shown.action) == wanted, name


def test_evaluation_plays_what_training_never_does(lab, make):
    training, evaluation = make(num_envs=1), make("rooms_collect_good_objects_test", num_envs=1, evaluation=True)
    mixers = [frames(env.reset())[0].mixer for env in (training, evaluation)]
    assert mixers == [0, 1611489005]
    assert frames(forward(evaluation))[0].seed == seeds(0, 1, pool=None)[0] > 1024


def test_seeds_are_drawn_from_a_pool_that_runs_share():
    drawn = [episode_seed(run, worker, k, 16) for run in range(3) for worker in range(4) for k in range(1, 33)]
    assert set(drawn) == set(range(1, 17))
    assert seeds(0, 50) != seeds(1, 50) and seeds(0, 50) != seeds(0, 50, run_seed=1)
    assert all(type(seed) is int and 1 <= seed < 2**31 for seed in seeds(0, 50, run_seed=2**63 - 1, pool=None))
    assert len(set(seeds(0, 50, pool=None))) == 50
    assert seeds(3, 3, 42) == seeds(3, 3, 42) == [episode_seed(42, 3, k, 1024) for k in (1, 2, 3)]


def test_a_resumed_run_goes_on_with_other_episodes(lab, make):
    lab.set(episode_frames=8)
    env = make()
    env.reset()
    for _ in range(5):
        forward(env)
    state = torch.load(_saved(env.state_dict()), weights_only=True)
    used = {shown[1] for shown in lab.log("reset")}
    other = make()
    with pytest.raises(ValueError, match="reset comes before step"):
        forward(other)
    other.load_state_dict(state)
    with pytest.raises(ValueError, match="reset comes before step"):
        forward(other)
    assert [f.seed for f in frames(other.reset())] == [seeds(i, 4)[3] for i in (0, 1)]
    assert len(used) == 6
    env.load_state_dict(state)
    with pytest.raises(ValueError, match="reset"):
        forward(env)


def _saved(state):
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("key", "other"),
    [("name", {"name": "seekavoid_arena_01"}), ("num_envs", {"num_envs": 1}), ("obs_shape", {"height": 32})],
)
def test_a_state_of_another_environment_is_refused(lab, make, key, other):
    state = make().state_dict()
    with pytest.raises(ValueError, match=key):
        make(**other).load_state_dict(state)


def test_bad_input_is_refused(lab, make):
    env = make()
    env.reset()
    for bad, match in [
        (torch.zeros(2), "float32"),
        (torch.zeros(3, dtype=torch.int64), r"\[3\]"),
        (torch.tensor([0, 9]), r"\[0, 9\]"),
        (torch.tensor([-1, 0]), r"\[-1, 0\]"),
    ]:
        with pytest.raises(ValueError, match=match):
            env.step(bad)
    for settings, match in [
        ({"height": 26}, "26 x 24"),
        ({"width": 30}, "24 x 30"),
        ({"name": "rooms_watermase"}, "rooms_watermaze"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
    ]:
        with pytest.raises(ValueError, match=match):
            make(**settings)
    assert os.listdir(lab.temporary) == [env._folder.path.name]
    assert [f.frames for f in frames(forward(env))] == [4, 4]


def test_names(lab, make, tmp_path):
    env = make(num_envs=1)
    (tmp_path / "own.lua").touch()
    for name in (str(tmp_path / "own.lua"), "tests/missing_map"):
        assert make(name, num_envs=1).name == name
    frames(make(str(tmp_path / "own.lua"), num_envs=1).reset())
    assert lab.log("construct", str(tmp_path / "own.lua"))
    env.reset()
    assert lab.log("construct", "contributed/dmlab30/rooms_watermaze")
    of = Counter(path.rpartition("/")[0] for path in DMLAB_LEVELS.values())
    assert of["contributed/dmlab30"] == 32 and of["contributed/psychlab/memory_suite_01"] == 19  # two are pairs
    assert of["contributed/psychlab/visuospatial_suite"] == 7 and len(set(DMLAB_LEVELS.values())) == len(DMLAB_LEVELS)
    assert DMLAB_LEVELS["odd_one_out"] != DMLAB_LEVELS["visuospatial_suite_odd_one_out"]


def test_what_is_said_once(lab, make, capfd):
    for _ in range(2):
        make("language_execute_random_task", num_envs=1)
        make("contributed/dmlab30/rooms_collect_good_objects_test", num_envs=1).reset()
        make("change_detection_holdout_extrapolate", num_envs=1)
    first, second, third = capfd.readouterr().err.splitlines()
    assert "language_execute_random_task" in first and "INSTR" in first
    assert "rooms_collect_good_objects_test is meant for evaluation only" in second
    assert "change_detection_holdout_extrapolate is meant for evaluation only" in third


def test_no_map_is_compiled_for_an_episode_that_nobody_plays(lab, make):
    lab.set(episode_frames=10)
    env = make("explore_goal_locations_small")
    for episodes, maps in [(2, 2), (3, 5)]:
        stats = evaluate(env, RandomPolicy(9, seed=1), episodes)
        assert stats.lengths == (3,) * episodes and len(lab.log("compile")) == maps
    env.reset()
    env.rest(torch.tensor([True, False]))
    rows = [forward(env) for _ in range(4)]
    assert [row.truncated.tolist() for row in rows[1:]] == [[False, False], [True, True], [False, False]]
    assert rows[2].is_first.tolist() == [False, True] and rows[2].valid.all()
    assert rows[3].valid.tolist() == [False, True] and not rows[3].is_first.any() and rows[3].reward[0] == 0


def test_mazes_are_not_printed(lab, make, capfd):
    env = make("explore_goal_locations_small")
    env.reset()
    assert capfd.readouterr() == ("", "")


def test_faults_of_a_lab_give_lost_rows(lab, make, capfd):
    lab.set(episode_frames=400)
    env = make(env_timeout=2.0)
    env.reset()
    for k, do in enumerate(("kill", "hang")):
        first = frames(forward(env))
        lab.set(episode_frames=400, faults=[{"at": "step", "do": do, "seed": first[1].seed}])
        step = forward(env)
        assert step.valid.tolist() == [True, False] and step.is_first.tolist() == [False, True]
        assert not (step.terminated | step.truncated).any() and step.reward.tolist() == [4.0, 0.0]
        shown = frames(step)
        assert (shown[0].frames, shown[0].seed) == (first[0].frames + 4, first[0].seed)
        assert (shown[1].frames, shown[1].seed) == (0, seeds(1, k + 2)[-1])
        assert f"worker 1 (seed {first[1].seed})" in capfd.readouterr().err
        assert len(os.listdir(env._folder.path)) == 2 and os.listdir(lab.temporary) == [env._folder.path.name]
    assert env.state_dict()["episodes"] == [1, 3]


def test_a_hang_in_the_compiler_is_killed_with_the_compiler(lab, make):
    lab.set(compile_seconds=1000)
    env = make("explore_goal_locations_small", num_envs=1, env_timeout=1.5)
    with pytest.raises(EnvironmentFailure, match=r"gave no answer for 1.5 s at the beginning"):
        env.reset()
    compilers = [int(pid) for _, pid in lab.log("compiler")]
    assert len(compilers) == 3 and eventually(lambda: all(map(gone, compilers)))


def test_nothing_is_left_behind_a_close(lab, make):
    env = make()
    env.reset()
    assert len(os.listdir(lab.temporary)) == 1
    pids = [worker.process.pid for worker in env._workers._workers]
    folder = env._folder.path
    assert all(os.listdir(folder / str(pid)) for pid in pids)
    env.close()
    assert all(map(gone, pids)) and not os.listdir(lab.temporary)
    env.close()
    with pytest.raises(Exception, match="close"):
        env.reset()


def test_an_environment_that_is_forgotten_is_closed(lab, tmp_path):
    env = DMLabEnv(EnvConfig(name="rooms_watermaze", num_envs=1, dmlab_cache=tmp_path / "cache"), 0)
    env.reset()
    pid = env._workers._workers[0].process.pid
    del env
    gc.collect()
    assert gone(pid) and not os.listdir(lab.temporary)


PROGRAM = """
import os, sys, torch
from pathlib import Path
from envs import EnvConfig
from envs.dmlab import DMLabEnv
config = EnvConfig(name="explore_goal_locations_small", num_envs=2, height=24, width=24, dmlab_cache=Path("cache"))
env = DMLabEnv(config, 0)
print(*[worker.process.pid for worker in env._workers._workers], flush=True)
env.reset()
print("playing", flush=True)
while True:
    env.step(torch.zeros(2, dtype=torch.int64))
    if "crash" in sys.argv:
        raise ValueError("bug")
"""

ENDS = {
    "SIGTERM in reset": (signal.SIGTERM, -signal.SIGTERM),
    "SIGKILL in reset": (signal.SIGKILL, -signal.SIGKILL),
    "crash": (None, 1),
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_behind_however_a_run_ends(lab, tmp_path, end):
    number, code = ENDS[end]
    process = start(lab, tmp_path, ["-c", PROGRAM, end], 1000 if number else 0)
    if number:
        pids = compiling(lab, process)
        process.send_signal(number)
    else:
        pids = [int(word) for word in process.stdout.readline().split()]
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert len(pids) >= 2 and eventually(lambda: all(map(gone, pids)))
    assert eventually(lambda: not os.listdir(lab.temporary)), os.listdir(lab.temporary)
    assert err.count("Traceback") == (end == "crash")


def test_an_interrupt_while_the_agent_waits_for_the_first_maps(lab, tmp_path):
    words = "-m agents.a2c --env dmlab/explore_goal_locations_small --num-envs 2 --dmlab-cache cache --run run"
    process = start(lab, tmp_path, [*words.split(), "--device", "cpu", "--threads", "1"], 1000)
    pids = compiling(lab, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert eventually(lambda: all(map(gone, pids)))
    assert not [name for name in os.listdir(lab.temporary) if "dmlab" in name]  # torch leaves a folder


def compiling(lab, process):
    """Wait for both workers to be in the middle of a map; ids of all that run then: workers, compilers, the janitor."""
    assert eventually(lambda: len(lab.log("compiler")) == 2 or process.poll() is not None, 60)
    pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert {int(pid) for _, pid in lab.log("compiler")} < set(pids)
    return pids
