"""What each fault of DeepMind Lab does to a run: made to happen, on the stand-in of the tests, and measured.

    python benchmarks/faults.py | tee benchmarks/results/faults.md

Faults are real (SIGKILL, a process that sleeps with the interpreter locked, Ctrl-C to the process group); only the
engine is not. Each row is played in a program of its own, whose processes and temporary files are counted 2 s later.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from hardware import hardware

ROOT = Path(__file__).parents[1]
DOUBLE = ROOT / "tests" / "envs" / "dmlab"
SETTLE_SECONDS = 2.0
STEPS = 60  # agent steps of each of the four environments, in episodes of 20

# Four environments are stepped 60 times; what the rows said is printed as JSON, or what was raised.
PLAYER = """
import json, sys, time, torch
from envs import EnvConfig
from envs.api import EnvironmentFailure
from envs.dmlab import DMLabEnv
level, steps, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
size = {"num_envs": 4, "height": 24, "width": 24}
out = {"lost": 0, "valid": 0, "ended": 0, "others": 0, "slowest": 0.0}
env = None
try:
    env = DMLabEnv(EnvConfig(name=level, backend="dmlab", env_timeout=2, dmlab_seeds=8, **size), seed)
    row = env.reset()
    print("playing", flush=True)
    for _ in range(steps):
        start = time.perf_counter()
        row = env.step(torch.zeros(4, dtype=torch.int64))
        out["slowest"] = max(out["slowest"], time.perf_counter() - start)
        lost = ~row.valid
        out["lost"] += int(lost.sum())
        out["valid"] += int(row.valid.sum())
        out["ended"] += int((row.terminated | row.truncated).sum())
        out["others"] += int((lost.any() & row.valid & (row.reward == 4)).sum()) if lost.any() else 0
except (EnvironmentFailure, ValueError) as error:
    out["failure"] = str(error)
print(json.dumps(out), flush=True)
env and env.close()
"""
MAP, PLAIN = "explore_goal_locations_small", "rooms_watermaze"


@dataclass
class Run:
    """A program under observation, in a folder of its own."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    shared: set[Path] = field(default_factory=set)

    def start(self, words: list[str], **settings: Any) -> subprocess.Popen[str]:
        """Start a program with the stand-in importable and its faults set."""
        from tests.envs.dmlab.double import lay_out  # found below ROOT

        fixed = {"episode_frames": 80, "log": str(self.folder / "log"), "runfiles": str(self.folder / "runfiles")}
        lay_out(self.folder / "runfiles")
        for path in settings.pop("without", ()):
            (self.folder / "runfiles" / path).unlink()
        (self.folder / "double.json").write_text(json.dumps({**fixed, **settings}))
        (self.folder / "tmp").mkdir(exist_ok=True)
        env = {**os.environ, "DEEPMIND_LAB_DOUBLE": str(self.folder / "double.json"), "OMP_NUM_THREADS": "1"}
        env |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{DOUBLE}", "TMPDIR": str(self.folder / "tmp")}
        env |= {"HOME": str(self.folder)}  # where the cache of maps is
        folder = self.folder / "runfiles" / "bin"
        env["PATH"] = f"{folder}{os.pathsep}{env['PATH']}" if (folder / "zip").exists() else str(folder)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, *words]
        process = subprocess.Popen(command, cwd=self.folder, env=env, start_new_session=True, **pipes)
        self.processes.append(process)
        return process

    def play(self, level: str, seed: int = 0, **settings: Any) -> subprocess.Popen[str]:
        """Start `PLAYER`."""
        return self.start(["-c", PLAYER, level, str(STEPS), str(seed)], **settings)

    def log(self, word: str) -> int:
        """How often the stand-in has logged something."""
        path = self.folder / "log"
        return sum(line.split()[1] == word for line in path.read_text().splitlines()) if path.exists() else 0

    def watch(self, until: Callable[[], bool]) -> None:
        """Note every process that appears until something is so, or the programs have ended."""
        while not until() and any(process.poll() is None for process in self.processes):
            self.note()
            time.sleep(0.05)
        self.note()

    def note(self) -> None:
        """Note the processes of now."""
        for process in self.processes:
            try:
                family = psutil.Process(process.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
            self.seen |= {child.pid: child for child in family}
            for pid in (process.pid, *(child.pid for child in family)):
                self.shared |= named_memory(pid)

    def left(self) -> str:
        """What is there a while after the end, in one cell."""
        time.sleep(SETTLE_SECONDS)
        alive = [p for p in self.seen.values() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        folders = [path for path in (self.folder / "tmp").iterdir() if "dmlab" in path.name]
        shared = [path for path in self.shared if path.exists()]
        return (
            f"{len(alive)} of {len(self.seen)} processes, {len(folders)} temp folders, "
            f"{len(shared)} of {len(self.shared)} names in /dev/shm"
        )


def named_memory(pid: int) -> set[Path]:
    """What a process has mapped of /dev/shm that has a name there: semaphores, for as long as workers start."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    mapped = {int(line.split()[4]) for line in lines if "/dev/shm" in line}  # files are renamed, inodes are not
    found = set()
    for path in Path("/dev/shm").iterdir():
        with contextlib.suppress(OSError):  # those of other programs come and go
            found |= {path} if path.stat().st_ino in mapped else set()
    return found


def outcome(run: Run, process: subprocess.Popen[str], what: str) -> tuple[str, str]:
    """Let a player end; what happened, and what was lost."""
    run.watch(lambda: process.poll() is not None)
    out, err = process.communicate()
    result = json.loads(out.splitlines()[-1])
    reports = err.splitlines()
    steps = 4 * STEPS
    if "failure" in result:
        tries = f"{run.log('compile')} compilations by 4 workers, {len(reports)} lines before"
        says = result["failure"].replace(f"{run.folder}/", "")
        return f"{what}; {tries}: {says}", "the run: nothing can be played"
    happened = f"{what}; {len(reports)} line on stderr, worker replaced"
    ended = f"{result['ended']} episodes ended"
    if not result["lost"]:
        return happened, f"0 of {steps} rows ({ended})"
    rest = f"that worker's episode up to there; the rows of the {result['others']} others in that step are whole"
    return f"{happened}; the step took {result['slowest']:.1f} s", f"{result['lost']} of {steps} rows, {rest} ({ended})"


def fault(what: str, level: str, without: Sequence[str] = (), **strike: Any) -> Callable[[Run], tuple[str, str]]:
    """A worker's fault, made by the stand-in, or what it does `without` some file."""

    def play(run: Run) -> tuple[str, str]:
        return outcome(run, run.play(level, faults=[strike] if strike else [], without=without), what)

    return play


def shared_cache(run: Run) -> tuple[str, str]:
    one, two = (run.play(MAP, seed=seed, compile_seconds=0.2) for seed in (0, 1))
    run.watch(lambda: one.poll() is not None and two.poll() is not None)
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in (one, two)]
    entries = len(list((run.folder / ".cache").rglob("*.map")))
    half = len(list((run.folder / ".cache").rglob("*.tmp")))
    happened = f"{run.log('reset')} resets: {run.log('compile')} maps compiled, {run.log('hit')} fetched"
    lost = sum(result["lost"] for result in results)
    return f"{happened}; {entries} entries, {half} half-written files in the cache", f"{lost} rows"


def signalled(number: signal.Signals, *, group: bool, in_reset: bool) -> Callable[[Run], tuple[str, str]]:
    """Something done to a real training run."""

    def play(run: Run) -> tuple[str, str]:
        words = f"-m agents.a2c --env dmlab/{MAP} --num-envs 4 --unroll 20 --run run --device cpu --threads 1"
        process = run.start(words.split(), compile_seconds=1000 if in_reset else 0)
        metrics = run.folder / "run" / "metrics.jsonl"
        run.watch(lambda: run.log("compiler") == 4 if in_reset else metrics.exists() and metrics.stat().st_size > 0)
        os.killpg(process.pid, number) if group else process.send_signal(number)
        _, err = process.communicate(timeout=120)
        code, traceback = process.returncode, "Traceback" in err
        saved = len(list((run.folder / "run").glob("checkpoint-*.pt")))
        ending = f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"
        happened = f"{ending}, {'a' if traceback else 'no'} traceback"
        return happened, "the first maps" if in_reset else f"what came after the newest of {saved} checkpoints"

    return play


FAULTS: dict[str, Callable[[Run], tuple[str, str]]] = {
    "worker killed (`kill -9`)": fault("died by SIGKILL in a step", PLAIN, at="step", step=7, do="kill"),
    "worker hung, interpreter locked": fault("no answer for 2 s", PLAIN, at="step", step=7, do="hang"),
    "segmentation fault": fault("died by SIGSEGV in a step", PLAIN, at="step", step=7, do="segfault"),
    "exception in step": fault("RuntimeError in a step", PLAIN, at="step", step=7, do="raise"),
    "exception in reset": fault("RuntimeError in the first reset", PLAIN, at="reset", do="raise"),
    "missing map": fault("exit code 1 in a reset", "tests/missing_map"),
    "`zip` missing": fault("an exception of 30 lines, and 230 lines on stderr", MAP, without=["bin/zip"]),
    "`q3map2` missing": fault("an exception of 30 lines", MAP, without=["q3map2/q3map2"]),
    "the engine's library missing": fault("refused before workers start", PLAIN, without=["libdmlab_headless_sw.so"]),
    "two runs share a cache of maps": shared_cache,
    "Ctrl-C in the first reset": signalled(signal.SIGINT, group=True, in_reset=True),
    "SIGTERM in the first reset": signalled(signal.SIGTERM, group=False, in_reset=True),
    "SIGTERM to a training run": signalled(signal.SIGTERM, group=False, in_reset=False),
    "SIGTERM to its whole group": signalled(signal.SIGTERM, group=True, in_reset=False),
    "`kill -9` of a training run": signalled(signal.SIGKILL, group=False, in_reset=False),
    "`kill -9` in the first reset": signalled(signal.SIGKILL, group=False, in_reset=True),
}


def main() -> int:
    sys.path.append(str(ROOT))
    print("# Faults of DeepMind Lab\n\n    python benchmarks/faults.py | tee benchmarks/results/faults.md\n")
    print(f"{hardware()}\n")
    print("| fault | what happened | what was lost | what was left behind |\n|---|---|---|---|", flush=True)
    for name, play in FAULTS.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            run = Run(Path(folder))
            happened, lost = play(run)
            print(f"| {name} | {happened} | {lost} | {run.left()} |", flush=True)
    print(
        "\nOn the stand-in for `deepmind_lab` of the tests (`tests/envs/dmlab/deepmind_lab.py`): four environments, 60 "
        "steps each, time limit of an answer 2 s. Processes counted are all that a run had started: workers, the "
        f"compilers of maps, the janitor of its temporary folder; looked for {SETTLE_SECONDS:g} s after its end."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
