"""The program: trials are kept, go on, fail alone, and die with their sweep. Real processes, of a stand-in for a2c."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
import yaml

from cpc_rl.runs.sweep_directory import SweepDirectory, locked
from cpc_rl.sweep.__main__ import main, where_to_look

STANDIN = Path(__file__).with_name("standin.py")
PATIENCE = 120.0  # seconds a busy machine may take for what needs a fraction of one


def write(path: Path, **parameters) -> str:
    """A sweep file over the stand-in: a grid, so that the test says what each trial does."""
    parameters = {"steps": {"value": 4}, **parameters}
    content = {
        "program": "agents.a2c",
        "command": ["${interpreter}", str(STANDIN), "${program}", "${args}"],
        "method": "grid",
        "parameters": parameters,
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


def state(out: Path) -> list[dict]:
    return json.loads((out / "state.json").read_text())["trials"]


def statuses(out: Path) -> list[str]:
    return [trial["status"] for trial in state(out)]


def starts(out: Path) -> list[int]:
    """How often each trial was started."""
    return [(out / t["log"]).read_text().count("\n$ ") if (out / t["log"]).exists() else 0 for t in state(out)]


def steps(out: Path, index: int) -> list[int]:
    return [int(line) for line in (out / f"trials/{index:03d}/steps.txt").read_text().split()]


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


class Sweep:
    """The program in a process of its own: a fork, which need not import torch again."""

    def __init__(self, log: Path, *words: str) -> None:
        self.log = log
        self._process = get_context("fork").Process(target=self._run, args=(words,), daemon=True)
        self._process.start()
        self.pid: int = self._process.pid

    def _run(self, words: tuple[str, ...]) -> None:
        with self.log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None
        return self._process.exitcode

    def runs(self) -> bool:
        return self._process.is_alive()


def at_step(out: Path, index: int, count: int) -> bool:
    return (out / f"trials/{index:03d}/steps.txt").exists() and len(steps(out, index)) >= count


def test_a_failing_trial_stops_nothing_and_nothing_is_done_twice(tmp_path: Path, capsys):
    file, out = write(tmp_path / "f.yaml", fail={"values": [False, True]}, seed={"values": [1, 2]}), tmp_path / "out"
    words = [file, "--out", str(out), "--jobs", "2"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert statuses(out) == ["done", "done", "failed", "failed"]
    assert "2 of 4 trials failed (002: no such level; 003: no such level); --retry-failed" in captured.err
    assert ", 2 running" in captured.out and ", 3 running" not in captured.out
    assert state(out)[2]["exit_code"] == 2 and state(out)[2]["error"] == "no such level"
    assert state(out)[1]["parameters"] == {"fail": False, "seed": 2, "steps": 4}
    assert (out / "sweep.yaml").read_text() == Path(file).read_text()
    assert "something" in (out / "logs/002.log").read_text()
    assert main(words) == 1 and starts(out) == [1, 1, 1, 1]
    assert main([*words, "--retry-failed"]) == 1 and starts(out) == [1, 1, 2, 2]
    assert steps(out, 0) == [1, 2, 3, 4]


def test_more_trials_later_but_no_other_sweep_in_the_same_place(tmp_path: Path, capsys):
    file, out = write(tmp_path / "f.yaml", seed={"values": [1, 2, 3]}), tmp_path / "out"
    words = [file, "--out", str(out)]
    assert main([*words, "--trials", "1"]) == 0 and statuses(out) == ["done"]
    assert main([*words, "--trials", "2"]) == 0 and starts(out) == [1, 1]
    directory = SweepDirectory.open(out)
    directory.trials[1].status = "stopped"
    directory.save()
    assert main([*words, "--trials", "1"]) == 0 and starts(out) == [1, 1] and statuses(out) == ["done", "stopped"]
    capsys.readouterr()
    assert main([*words, "--seed", "7"]) == 2
    assert "differs: seed was 1, is 7; give another --out" in capsys.readouterr().err
    write(tmp_path / "f.yaml", seed={"values": [1, 2, 4]})
    assert main(words) == 2
    assert "parameters.seed.values was [1, 2, 3], is [1, 2, 4]" in capsys.readouterr().err
    assert starts(out) == [1, 1]


def test_a_sweep_killed_at_once_goes_on(tmp_path: Path):
    file, out = write(tmp_path / "f.yaml", steps={"value": 60}, seed={"values": [1, 2, 3]}), tmp_path / "out"
    words = [file, "--out", str(out), "--jobs", "2"]
    first = Sweep(tmp_path / "log", *words)
    until(lambda: at_step(out, 0, 5) and at_step(out, 1, 5))
    first.send(signal.SIGKILL)
    first.wait()
    assert "running" in statuses(out)
    assert main(words) == 0
    assert statuses(out) == ["done"] * 3 and starts(out) == [2, 2, 1]
    for index in range(3):  # the signal of the parent's death made each write a checkpoint
        assert steps(out, index) == list(range(1, 61))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sweep_leaves_checkpoints_and_says_how_to_go_on(tmp_path: Path, number):
    file = write(tmp_path / "f.yaml", steps={"value": 120}, linger={"values": [0.0, 2.0, 0.1]})
    out = tmp_path / "out"
    sweep = Sweep(tmp_path / "log", file, "--out", str(out), "--jobs", "2")
    until(lambda: at_step(out, 0, 3) and at_step(out, 1, 3))
    sweep.send(number)
    assert sweep.wait() == 130
    text = sweep.log.read_text()
    assert f"go on with: python -m cpc_rl.sweep {file} --out {out} --jobs 2" in text and "2 stopped" in text
    assert statuses(out) == ["stopped", "stopped", "waiting"] and starts(out) == [1, 1, 0]
    for index in range(2):
        assert not locked(out / f"logs/00{index}.log")
        assert (out / f"trials/00{index}/checkpoint-1.pt").read_text() == str(len(steps(out, index)))
    if number == signal.SIGTERM:
        assert main([file, "--out", str(out), "--jobs", "3"]) == 0
        assert statuses(out) == ["done"] * 3 and all(steps(out, i) == list(range(1, 121)) for i in range(3))


def test_a_trial_that_does_not_listen_is_ended_by_the_second_signal(tmp_path: Path):
    file, out = write(tmp_path / "f.yaml", steps={"value": 4000}, deaf={"value": True}), tmp_path / "out"
    sweep = Sweep(tmp_path / "log", file, "--out", str(out))
    until(lambda: at_step(out, 0, 3))
    trial = psutil.Process(sweep.pid).children()[0]
    sweep.send(signal.SIGTERM)
    time.sleep(1.2)
    assert sweep.runs() and trial.is_running()
    sweep.send(signal.SIGTERM)
    assert sweep.wait() == 130 and not trial.is_running()
    assert statuses(out) == ["stopped"]


def test_only_one_sweep_works_on_a_directory(tmp_path: Path, capsys):
    file, out = write(tmp_path / "f.yaml"), tmp_path / "out"
    assert main([file, "--out", str(out)]) == 0
    with SweepDirectory.open(out).lock():
        assert main([file, "--out", str(out)]) == 2
    assert f"process {os.getpid()} is at work on {out} already" in capsys.readouterr().err
    assert main([file, "--out", str(out)]) == 0


def test_slots_share_out_gpus_and_threads(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    file, out = write(tmp_path / "f.yaml", steps={"value": 1}, seed={"values": [1, 2]}), tmp_path / "out"
    assert main([file, "--out", str(out), "--gpus", "0,3", "--threads-per-job", "5"]) == 0
    printed = [(out / f"logs/00{i}.log").read_text() for i in range(2)]
    assert "OMP 5 GPU 0" in printed[0] and "OMP 5 GPU 3" in printed[1]


def test_a_program_that_is_not_there_fails_its_trial(tmp_path: Path, capsys):
    path = tmp_path / "f.yaml"
    path.write_text("{program: x, command: [/no/such/program], method: grid, parameters: {a: {value: 1}}}")
    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "cannot start /no/such/program: No such file" in capsys.readouterr().err
    assert state(tmp_path / "out")[0]["run"] is None


def test_a_killed_trial_fails_by_the_name_of_its_signal(tmp_path: Path, capsys):
    path = tmp_path / "f.yaml"
    path.write_text(
        "{program: x, command: [sh, -c, 'echo so far; kill -9 $$'], method: grid, parameters: {a: {value: 1}}}"
    )
    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "killed by SIGKILL; last line: so far" in capsys.readouterr().err


def test_a_trial_ended_by_a_signal_without_a_name_stops_nothing(tmp_path: Path, capsys):
    path = tmp_path / "f.yaml"
    path.write_text(
        "{program: x, command: [sh, -c, 'test $0 = --a=2 || kill -44 $$', '${args}'], method: grid, "
        "parameters: {a: {values: [1, 2]}}}"
    )
    assert main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "1 of 2 trials failed (000: killed by signal 44; last line: " in capsys.readouterr().err
    assert statuses(tmp_path / "out") == ["failed", "done"]


def test_flags_that_every_trial_would_be_refused_for_are_refused_before_the_first(tmp_path: Path, capsys):
    path, out = tmp_path / "f.yaml", tmp_path / "out"
    text = (
        "{program: agents.a2c, command: ['${interpreter}', -m, '${program}', '${args}'], method: grid, "
        "parameters: {num-envs: {distribution: q_uniform, min: 4, max: 6, q: STEP}}}"
    )
    path.write_text(text.replace("STEP", "0.5"))
    assert main([str(path), "--out", str(out)]) == 2
    assert "f.yaml, trial 1: Error parsing --num-envs: " in capsys.readouterr().err and not out.exists()
    path.write_text(text.replace("STEP", "1.0"))
    assert main([str(path), "--out", str(out), "--dry-run"]) == 0  # 4.0 and 5.0 are whole numbers
    assert "--num-envs=5.0" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["path", "absolute", "link", "link_above"])
def test_a_state_that_leads_elsewhere_harms_nothing_there(how, tmp_path: Path, capsys):
    file, out, victim = write(tmp_path / "f.yaml"), tmp_path / "out", tmp_path / "victim"
    victim.mkdir()
    (victim / "config.yaml").write_text("precious")
    assert main([file, "--out", str(out), "--jobs", "1"]) == 0
    content = json.loads((out / "state.json").read_text())
    content["trials"][0]["status"] = "waiting"
    run = out / "trials/000"
    shutil.rmtree(run)
    if how in ("path", "absolute"):
        content["trials"][0]["run"] = "../victim" if how == "path" else str(victim)
    elif how == "link":
        run.symlink_to(victim)
    else:
        run.parent.rmdir()
        (tmp_path / "elsewhere").mkdir()
        victim = victim.rename(tmp_path / "elsewhere/000")
        run.parent.symlink_to(tmp_path / "elsewhere")
    (out / "state.json").write_text(json.dumps(content))
    assert main([file, "--out", str(out)]) in (1, 2)
    assert ("is '../victim'" if how == "path" else str(victim)) in capsys.readouterr().err
    assert (victim / "config.yaml").read_text() == "precious" and len(list(victim.iterdir())) == 1


def test_a_log_or_a_lock_that_is_a_link_is_not_written_through(tmp_path: Path, capsys):
    file, out, victim = write(tmp_path / "f.yaml"), tmp_path / "out", tmp_path / "victim"
    victim.write_text("precious")
    assert main([file, "--out", str(out)]) == 0
    for place in (out / ".lock", out / "logs/000.log"):
        place.unlink()
        place.symlink_to(victim)
        assert main([file, "--out", str(out)]) == 2
        assert f"{place} leads out of the sweep, to {victim}" in capsys.readouterr().err
        place.unlink()
    assert victim.read_text() == "precious"
    assert main([file, "--out", str(out)]) == 0


def test_a_sweep_may_itself_lie_behind_a_link(tmp_path: Path):
    file, out = write(tmp_path / "f.yaml"), tmp_path / "out"
    (tmp_path / "disk").mkdir()
    out.symlink_to(tmp_path / "disk")
    assert main([file, "--out", str(out)]) == 0 and statuses(out) == ["done"]


def test_dry_run_prints_the_commands_and_does_nothing(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["laptop", "--trials", "1", "--cross", "aux", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("000 ") and lines[1].endswith("runs/sweep-laptop-s1/trials/001")
    assert "--aux=none" in lines[0] and "--aux=cpc" in lines[1] and "--no-wandb" in lines[0]
    assert main(["laptop", "--trials", "1", "--cross", "aux", "--dry-run", "--wandb"]) == 0
    assert "--no-wandb" not in capsys.readouterr().out
    assert main(["laptop", "--trials", "1", "--dry-run", "--track", "mlflow,tensorboard"]) == 0
    assert capsys.readouterr().out.count("--track=mlflow,tensorboard") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["laptop"], ["--trials N"]),
        (["laptop", "--trials", "2", "--cross", "auxx"], ["--cross auxx", "aux, entropy-cost"]),
        (["labtop"], ["labtop", "laptop, paper, seeds"]),
        (["laptop", "--trials", "0"], ["--trials", "greater than or equal to 1"]),
        (["laptop", "--trials", "2", "--gpus", "a"], ["--gpus"]),
        (["seeds", "--out", "THERE"], ["THERE", "not a sweep's directory"]),
        (["seeds", "--out", "FILE"], ["FILE", "not a directory"]),
        (["seeds", "--launcher", "slurm"], ["sbatch"]),
        (["seeds", "--launcher", "pbs"], ["--launcher"]),
    ],
)
def test_one_line_and_exit_code_two(words, says, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    (tmp_path / "THERE").mkdir()
    (tmp_path / "THERE" / "thing").touch()
    (tmp_path / "FILE").touch()
    before = sorted(tmp_path.rglob("*"))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    for word in says:
        assert word in error
    assert sorted(tmp_path.rglob("*")) == before


def test_help_says_what_wandbs_sweeps_need(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "need wandb's server" in text and "--cross" in text and "--slurm.partition" in text


def test_trials_look_for_our_packages_where_the_sweep_found_them(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert where_to_look(ours=True) == {"PYTHONSAFEPATH": "1"}
    assert where_to_look(ours=False) == {}, "a program of the user's may need what lies here"
    monkeypatch.syspath_prepend(str(tmp_path))
    assert where_to_look(ours=True) == {}
