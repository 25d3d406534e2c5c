from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from envs.api import EnvironmentFailure
from envs.errors import Incurable
from envs.workers import Workers
from envs.workers.child import describe
from tests.envs.processes import ROOT, eventually, gone, named_memory
from tests.envs.workers.toys import Toy, seed_of

GO = np.array([1, 2])


@pytest.fixture
def make():
    """Builds Workers of two Toys; all are closed at the end."""
    made = []

    def build(count=2, timeout=20.0, seeds=seed_of, **settings):
        env_fns = [functools.partial(Toy, **settings) for _ in range(count)]
        made.append(Workers(env_fns, name="toy", seeds=seeds, timeout=timeout))
        return made[-1]

    yield build
    for workers in made:
        workers.close(terminate=True)


def test_rows_are_those_of_the_environments_and_the_last_observation_comes_through(make):
    workers = make(length=3)
    assert named_memory(os.getpid())  # gymnasium's semaphores, until the workers are there
    obs, infos = workers.reset()
    assert not named_memory(os.getpid())
    assert obs.tolist() == [[0, 1, 0], [0, 101, 0]] and infos == {}
    for step in (1, 2):
        obs, reward, terminated, truncated, infos = workers.step(GO)
        assert obs.tolist() == [[step, 1, 2], [step, 101, 3]] and reward.tolist() == [step, step]
        assert not (terminated | truncated | workers.lost).any() and infos == {}
    obs, reward, terminated, truncated, infos = workers.step(GO)
    assert obs.tolist() == [[0, 2, 0], [0, 102, 0]] and reward.tolist() == [3, 3]
    assert terminated.all() and not truncated.any() and not workers.lost.any()
    assert [final.tolist() for final in infos["final_obs"]] == [[3, 1, 2], [3, 101, 3]]
    assert infos["_final_obs"].all() and workers.episodes.tolist() == [2, 2]
    obs, *_ = workers.step(GO)
    assert obs[:, :2].tolist() == [[1, 2], [1, 102]]
    assert workers.reset()[0].tolist() == [[0, 3, 0], [0, 103, 0]]
    assert workers.reset(seed=[7, None])[0][:, 1].tolist() == [7, 104]
    assert workers.reset(seed=50)[0][:, 1].tolist() == [50, 51]
    pids = workers.call("pid")
    workers.close()
    workers.close()
    assert all(map(gone, pids))
    with pytest.raises(Exception, match="close"):
        workers.step(GO)


def test_a_time_limit_is_a_truncation(make):
    workers = make(length=1, truncate=True)
    workers.reset()
    _, _, terminated, truncated, _ = workers.step(GO)
    assert truncated.all() and not terminated.any()


FAULTS = {
    "raise": "raised KeyError: 'as asked' (toys.py, line ",
    "exit": "raised SystemExit: 3",
    "leave": "ended with exit code 7",
    "SIGKILL": "was killed by SIGKILL",
    "SIGSEGV": "was killed by SIGSEGV",
    "SIGSTOP": "gave no answer for 2 s",
    "shape": "raised ValueError: the observation has shape (4,)",
}


def test_a_worker_that_fails_costs_its_own_episode_only(make, capfd):
    """Worker 1 fails in the second step of every other episode, worker 0 plays on."""
    faults = {(101 + 2 * k, 2): fault for k, fault in enumerate(FAULTS)}
    workers = make(timeout=2.0, length=3, faults=faults)
    workers.reset()
    mine, (steady, _) = [], workers.call("pid")
    for k, expected in enumerate(FAULTS.values()):
        seed = 101 + 2 * k
        workers.step(GO)
        pid = workers.call("pid")[1]
        obs, reward, terminated, truncated, _ = workers.step(GO)
        assert workers.lost.tolist() == [False, True]
        assert obs[1].tolist() == [0, seed + 1, 0] and reward[1] == 0 and not (terminated | truncated)[1]
        assert workers.call("pid")[1] != pid and gone(pid)
        mine.append((obs[0].tolist(), reward[0], terminated[0]))
        for step in (1, 2, 3):  # a whole episode
            obs, reward, terminated, *_ = workers.step(GO)
            assert not workers.lost.any() and reward[1] == step and terminated[1] == (step == 3)
            mine.append((obs[0].tolist(), reward[0], terminated[0]))
        assert obs[1].tolist() == [0, seed + 2, 0]
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"toy: worker 1 (seed {seed}) {expected}"), line
        assert f"in step 2 of its episode; restarted with seed {seed + 1}, the episode is lost (failure 1 of 3" in line
    assert workers.call("pid")[0] == steady
    assert workers.episodes[0] == 1 + 5 * len(FAULTS) // 3
    row = [([2, 1, 2], 2, False), ([0, 2, 0], 3, True), ([1, 2, 2], 1, False), ([2, 2, 2], 2, False)]
    assert mine[:4] == row


def test_the_next_episode_may_fail_to_begin(make, capfd):
    workers = make(timeout=2.0, length=1, faults={(102, 0): "raise", (105, 0): "SIGKILL", (108, 0): "hang"})
    workers.reset()
    for step, (seed, shown) in enumerate([(102, 103), (None, 104), (105, 106), (None, 107), (108, 109)]):
        obs, reward, terminated, _, infos = workers.step(GO)
        assert obs[:, 1].tolist() == [step + 2, shown]
        assert workers.lost.tolist() == [False, seed is not None]
        assert terminated.tolist() == [True, seed is None] and reward.tolist() == [1, seed is None]
        assert infos["_final_obs"].tolist() == [True, seed is None]
        assert infos["final_obs"][0].tolist() == [1, step + 1, 2]
        assert (infos["final_obs"][1] is None) == (seed is not None)
        err = capfd.readouterr().err
        assert len(err.splitlines()) == (seed is not None)
        assert ("at the beginning of its episode" in err and f"worker 1 (seed {seed}) " in err) or seed is None


def test_in_a_reset_the_row_is_made_good(make, capfd):
    workers = make(faults={(1, 0): "SIGKILL", (101, 0): "SIGKILL", (102, 0): "raise"})
    assert workers.reset()[0].tolist() == [[0, 2, 0], [0, 103, 0]]
    first, second = capfd.readouterr().err.splitlines()
    assert "worker 0, 1 (seed 1, 101) was killed by SIGKILL at the beginning" in first
    assert "restarted with seed 2, 102" in first
    assert "worker 1 (seed 102) raised KeyError" in second and "(failure 2 of 3" in second


def test_death_between_two_steps_is_seen_in_the_next(make):
    workers = make()
    workers.reset()
    workers.step(GO)
    for pid in workers.call("pid"):
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda pid=pid: gone(pid))
    obs, *_ = workers.step(GO)
    assert obs.tolist() == [[0, 2, 0], [0, 102, 0]] and workers.lost.all()


def test_it_gives_up_after_three_failures_without_a_whole_episode(make):
    faults = {(0, 0): "raise", (2, 1): "leave", (3, 1): "raise", (4, 2): "raise", (6, 0): "raise", (7, 0): "leave"}
    workers = make(count=1, length=2, faults={**faults, (8, 1): "SIGKILL"})
    workers._advise = lambda failure: f"Look at {failure.phase.name} and {failure.exit_code}"
    workers.reset()  # 1
    pids = []
    with pytest.raises(EnvironmentFailure) as caught:
        for _ in range(20):
            pids += workers.call("pid")
            workers.step(GO[:1])
    message = str(caught.value)
    # 2 and 3 fail, then 4: never a whole episode in between
    assert (
        "toy: worker 0 failed 3 times without a whole episode in between (seed 2: ended with exit code 7 in step 1"
        in message
    )
    assert "seed 3: raised KeyError" in message and "seed 4: raised KeyError" in message
    assert message.endswith("Look at STEP and None") and "\n" not in message
    assert workers.closed and all(map(gone, pids))
    workers.close()


def test_what_no_seed_cures_is_tried_and_said_once(make, capfd):
    workers = make(faults={(1, 0): "incurable", (101, 0): "incurable"})
    with pytest.raises(Incurable, match=r"^toy: zip is not there$"):
        workers.reset()
    assert workers.closed and capfd.readouterr().err == ""
    workers = make(faults={(1, 0): "leave"})
    workers._incurable = lambda failure: "no map" if failure.exit_code == 7 else ""
    with pytest.raises(Incurable, match=r"^toy: no map$"):
        workers.reset()


def test_the_same_text_is_said_once(make):
    workers = make(count=1, faults={(seed, 0): "leave" for seed in (1, 2, 3)})
    with pytest.raises(
        EnvironmentFailure, match=r"in between \(seeds 1, 2, 3: ended with exit code 7 at the beg[^:]*\)$"
    ):
        workers.reset()


def test_what_environments_print_is_not_on_standard_output(make, capfd):
    workers = make(count=1, faults={(1, 0): "print"})
    workers.reset()
    out, err = capfd.readouterr()
    assert out == "" and err.splitlines() == ["from C", "from Python"]


def test_who_has_played_the_last_episode_rests_until_the_next_reset(make):
    workers = make(length=2)
    workers.reset()
    workers.last[0] = True
    workers.step(GO)
    assert not workers.idle.any()
    obs, _, terminated, _, infos = workers.step(GO)
    assert obs.tolist() == [[2, 1, 2], [0, 102, 0]] and terminated.all() and not workers.idle.any()
    assert infos["final_obs"][0].tolist() == [2, 1, 2]
    for step in (1, 2, 1):
        obs, reward, terminated, truncated, _ = workers.step(GO)
        assert obs[0].tolist() == [2, 1, 2] and reward.tolist() == [0, step] and workers.idle.tolist() == [True, False]
        assert not terminated[0] and not (truncated | workers.lost).any()
    assert workers.episodes.tolist() == [1, 3]
    assert workers.reset()[0].tolist() == [[0, 2, 0], [0, 104, 0]] and not workers.last.any()
    workers.step(GO)
    assert workers.step(GO)[0].tolist() == [[0, 3, 0], [0, 105, 0]]


def test_a_last_episode_that_is_lost_is_played_again(make):
    workers = make(count=1, length=2, faults={(1, 1): "leave"})
    workers.reset()
    workers.last[0] = True
    assert workers.step(GO[:1])[0].tolist() == [[0, 2, 0]] and workers.lost.all()
    workers.step(GO[:1])
    assert workers.step(GO[:1])[2].all() and not workers.idle.any()
    workers.step(GO[:1])
    assert workers.idle.all() and workers.episodes.tolist() == [2]


def test_a_whole_episode_forgives(make):
    workers = make(count=1, length=2, faults={(s, 1): "leave" for s in (2, 3, 5, 6, 8, 9)})
    workers.reset()
    lost = 0
    while workers.episodes[0] < 10:
        workers.step(GO[:1])
        lost += int(workers.lost[0])
    assert lost == 6


def test_a_seed_that_failed_is_not_tried_again_while_there_are_others(make):
    workers = make(count=1, seeds=lambda worker, episode: 1 + (episode > 4), faults={(1, 2): "raise"})
    workers.reset()
    workers.step(GO[:1])
    assert workers.step(GO[:1])[0][0, 1] == 2
    workers = make(count=1, seeds=lambda worker, episode: 1, faults={(1, 2): "raise"})
    workers.reset()
    workers.step(GO[:1])
    assert workers.step(GO[:1])[0].tolist() == [[0, 1, 0]]


def test_what_a_worker_started_ends_with_it(make):
    workers = make()
    workers.reset()
    children = workers.call("start_child")
    os.kill(workers.call("pid")[0], signal.SIGKILL)
    workers.step(GO)
    assert eventually(lambda: gone(children[0])) and not gone(children[1])
    workers.close()
    assert eventually(lambda: gone(children[1]))


def test_signals_are_for_the_parent(make):
    workers = make(count=1)
    workers.reset()
    (pid,) = workers.call("pid")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    workers.step(GO[:1])
    assert workers.call("pid") == (pid,) and not workers.lost[0]
    assert os.getpgid(pid) == pid  # Ctrl-C is for the terminal's group
    with pytest.raises(RuntimeError, match=r"worker 0 raised RuntimeError: called .*\(fails was called\)"):
        workers.call("fails")
    with pytest.raises(NotImplementedError):
        workers.set_attr("length", 3)
    with pytest.raises(ValueError, match="options"):
        workers.reset(options={"reset_mask": np.array([True])})


def test_an_interrupt_in_the_middle_leaves_no_way_on_but_to_close(make):
    workers = make(faults={(1, 1): "hang"})
    workers.reset()
    pids = workers.call("pid")
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        workers.step(GO)
    with pytest.raises(RuntimeError, match="close it"):
        workers.step(GO)
    workers.close()
    assert all(map(gone, pids))


def test_workers_outlive_the_thread_that_started_them(make):
    made = []

    def begin():
        workers = make(faults={(1, 2): "leave"})
        workers.reset()
        made.append(workers)

    def go_on():  # and restart one
        for _ in range(2):
            made[0].step(GO)

    for target in (begin, go_on):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    time.sleep(0.2)
    assert made[0].step(GO)[0].tolist() == [[1, 2, 2], [3, 101, 3]] and not made[0].lost.any()


def test_only_a_box_can_be_shared(make):
    with pytest.raises(ValueError, match="Discrete"):
        make(clip=True)


def test_an_exception_is_one_line():
    try:
        raise ValueError("one\n  two")
    except ValueError as error:
        assert describe(error).startswith("ValueError: one two (test_workers.py, line ")
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"


def program(body):
    """Source of a program that makes a worker of an environment which it defines itself, prints its id, then `body`."""
    head = """
        import os, signal, sys, time
        from envs.workers import Workers
        from tests.envs.workers.toys import Toy, seed_of

        class Mine(Toy):
            pass

        open(os.environ["MARK"], "a").write("x")
        workers = Workers([lambda: Mine(length=5, faults={(1, 1): "stuck"})], name="toy", seeds=seed_of)
        workers.reset()
        print(*workers.call("pid"), flush=True)
    """
    return textwrap.dedent(head) + textwrap.dedent(body)


def run(tmp_path, body, **kwargs):
    mark, file = tmp_path / "mark", tmp_path / "program.py"
    file.write_text(program(body))
    env = {**os.environ, "MARK": str(mark), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(file)], env=env, cwd=tmp_path, **pipes, **kwargs), mark


def test_workers_import_neither_torch_nor_the_program(tmp_path):
    body = "import torch\nfor names, main in workers.call('modules'): print('torch' in names, 'Mine' in main)"
    process, mark = run(tmp_path, body)
    out, err = process.communicate(timeout=120)
    assert out.splitlines()[1:] == ["False False"], err
    assert mark.read_text() == "x" and err == ""
    assert process.returncode == 0


ENDS = {
    "nothing": ("", None, 0),
    "an exception": ("raise ValueError('bug')", None, 1),
    "sys.exit": ("sys.exit(4)", None, 4),
    "os._exit": ("os._exit(5)", None, 5),
    "SIGTERM": ("time.sleep(1000)", signal.SIGTERM, -signal.SIGTERM),
    "SIGKILL": ("time.sleep(1000)", signal.SIGKILL, -signal.SIGKILL),
    "SIGKILL, worker stuck": ("workers.step([0])", signal.SIGKILL, -signal.SIGKILL),
    "SIGINT to the group": ("time.sleep(1000)", "group", -signal.SIGINT),
}


@pytest.mark.parametrize("end", ENDS)
def test_workers_end_with_the_program_however_it_ends(tmp_path, end):
    body, number, code = ENDS[end]
    process, _ = run(tmp_path, body, start_new_session=True)
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 1 and (number is None or not named_memory(process.pid))
    if "stuck" in end:
        assert eventually((tmp_path / "stuck").exists)
    if number == "group":
        os.killpg(process.pid, signal.SIGINT)
    elif number is not None:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert eventually(lambda: all(map(gone, pids)))
    assert err.count("KeyboardInterrupt") == (number == "group")
