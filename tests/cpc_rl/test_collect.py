"""Recorded play: what is in the files, and that a stop, a kill or a full disk loses nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import agents.a2c
from configs import RunFailure
from cpc_rl import collect as module
from cpc_rl import trajectories
from cpc_rl.collect import PlayRecorder, main
from cpc_rl.episodes import RandomPolicy
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import Checkpoints, RunDirectory
from cpc_rl.trajectories import MANIFEST, Manifest, RowsFile, read_manifest, read_rows, write_rows
from envs.config import EnvConfig
from tests.cpc_rl.runs.test_lock import holder
from tests.toys import SHAPE, CountingEnv

SMALL = ["--env", "seekavoid_arena_01", "--backend", "minilab", "--height", "24", "--width", "24", "--num-envs", "2"]
FRAMES = 4 * 2 * 60  # three files of 20 rows of two environments


def made(**changes: object) -> Manifest:
    return Manifest(
        **{
            "env": EnvConfig(num_envs=3),
            "policy": "random",
            "policy_frames": None,
            "seed": 1,
            "rows": 7,
            "obs_shape": SHAPE,
            "num_actions": 3,
            "action_repeat": 4,
            **changes,
        }
    )


def collected(out: Path, *flags: str) -> int:
    return main([*SMALL, "--rows", "20", "--frames", str(FRAMES), "--device", "cpu", "--out", str(out), *flags])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".npz", ".json")}


def test_files_hold_what_was_seen_done_and_paid_without_a_gap(tmp_path: Path) -> None:
    env, manifest = CountingEnv([5, 3, 20], next_step=True), made()
    recorder = PlayRecorder(env, RandomPolicy(3, 1), manifest)  # type: ignore[arg-type]
    files = [write_rows(tmp_path, number, recorder.record()) for number in range(2)]
    manifest = manifest.model_copy(update={"files": tuple(files)})
    read = [read_rows(tmp_path, manifest, number) for number in range(2)]
    rows = {name: torch.cat([file[name] for file in read]) for name in read[0]}  # [14, 3, ...]

    twin = CountingEnv([5, 3, 20], next_step=True)
    steps = [twin.reset(), *(twin.step(action) for action in env.actions)]
    for t, step in enumerate(steps):
        for name in ("obs", "reward", "terminated", "truncated", "is_first", "valid"):
            assert torch.equal(rows[name][t], getattr(step, name)), (name, t)
    assert len(steps) == 14 and not rows["last_action"][0].any()
    assert torch.equal(rows["last_action"][1:], torch.stack(env.actions))
    assert rows["is_first"].sum() > 3 and not rows["valid"].all()
    assert manifest.frames == 4 * int(rows["valid"].sum())
    assert manifest.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["byte", "missing", "shape", "pickle"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    recorder = PlayRecorder(CountingEnv([5, 3, 20]), RandomPolicy(3, 1), made())  # type: ignore[arg-type]
    rows = recorder.record()
    if damage == "shape":
        rows["reward"] = rows["reward"][:-1]
    file = write_rows(tmp_path, 0, rows)
    path = tmp_path / file.name
    data = bytearray(path.read_bytes())
    if damage == "byte":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "missing":
        path.unlink()
    elif damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        file = file.model_copy(update={"sha256": trajectories.hashlib.sha256(path.read_bytes()).hexdigest()})
    says = {"byte": "SHA-256", "missing": "No such file", "shape": r"reward is .* \[6, 3\]", "pickle": "no archive"}
    with pytest.raises(RunFailure, match=f"{path}.*{says[damage]}"):
        read_rows(tmp_path, made(files=(file,)), 0)


def test_a_manifest_names_no_file_elsewhere(tmp_path: Path) -> None:
    made(files=(RowsFile(name="rows-00000.npz", steps=1, bytes=1, sha256="0" * 64),)).write(tmp_path)
    assert read_manifest(tmp_path).frames == 4
    text = (tmp_path / MANIFEST).read_text().replace("rows-00000.npz", "../rows-00000.npz")
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(RunFailure, match=r"files\.0\.name"):
        read_manifest(tmp_path)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that was not trained."""
    path = tmp_path_factory.mktemp("runs") / "run"
    run = RunDirectory.create(path, agents.a2c.parse([*SMALL, "--network.features", "16", "--network.hidden", "16"]))
    torch.manual_seed(1)
    net = ActorCritic(NetworkConfig(features=16, hidden=16), (24, 24, 3), 9)
    run.checkpoints.save({"frames": 4000, "network": net.state_dict()})
    return run


class Room(NamedTuple):
    free: int


@pytest.mark.parametrize("who", ["random", "agent"])
def test_a_kill_a_full_disk_and_more_frames_change_nothing(
    who: str,
    tmp_path: Path,
    agent: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = ["--policy", str(agent.path) if who == "agent" else who]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert collected(whole, *policy) == 0
    printed = capsys.readouterr().out
    assert f"done: {whole} has 480 frames in 3 files" in printed and "480 frames (100%)" in printed
    assert json.loads((whole / MANIFEST).read_text())["policy_frames"] == (4000 if who == "agent" else None)

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "disk_usage", lambda _: Room(10))
        assert collected(parts, *policy) == 1
        assert "320 frames more take about" in capsys.readouterr().err
    shutil.rmtree(parts)
    with monkeypatch.context() as patch:  # killed between the first manifest that names a file and its checkpoint
        patch.setattr(Checkpoints, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert collected(parts, *policy) == 130
        assert len(read_manifest(parts).files) == 1 and not list(parts.glob("*.pt"))
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "disk_usage", lambda _: Room(10))
        assert collected(parts, *policy) == 1
    with monkeypatch.context() as patch:  # killed between a file and the manifest that names it
        patch.setattr(Manifest, "write", lambda *_: os.kill(os.getpid(), 0) or (_ for _ in ()).throw(KeyboardInterrupt))
        assert collected(parts, *policy) == 130
        assert len(read_manifest(parts).files) == 1 and (parts / "rows-00001.npz").exists()
    with monkeypatch.context() as patch:

        def full(path: Path, write: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        patch.setattr(trajectories, "write_atomic", full)
        assert collected(parts, *policy) == 1
        assert capsys.readouterr().err.endswith("rows-00001.npz: No space left on device\n")
    assert collected(parts, *policy, "--frames", "320") == 0 and len(read_manifest(parts).files) == 2
    assert sorted(path.name for path in parts.glob("*.pt")) == ["checkpoint-1.pt", "checkpoint-2.pt"]
    assert collected(parts, *policy) == 0
    assert content(parts) == content(whole)
    assert collected(parts, *policy) == 0  # all is there
    assert content(parts) == content(whole)


def test_wrong_words_are_refused_in_one_line(
    tmp_path: Path, agent: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = tmp_path / "begun"
    assert collected(begun, "--frames", "1") == 0
    dressed = RunDirectory.create(
        tmp_path / "dressed", agents.a2c.parse([*SMALL, "--look", "engine", "--randomise", "1"])
    )
    (tmp_path / "file").write_text("")
    before, folders = content(begun), sorted(tmp_path.iterdir())
    for flags, says in (
        (["--policy", "rundom"], "rundom: no such run directory; allowed are random, keyboard and"),
        (["--policy", str(agent.path), "--env", "rooms_watermaze"], "--env rooms_watermaze"),
        (["--policy", str(agent.path), "--height", "36"], "--height 36"),
        (["--policy", str(dressed.path), "--look", "plain"], f"--look plain: {dressed.path} was trained with engine"),
        (["--policy", str(dressed.path), "--randomise=0"], "--randomise 0.0"),
        (["--out", str(begun), "--seed", "2"], "was recorded with seed = 1, not 2"),
        (["--out", str(begun), "--num-envs", "3"], "was recorded with env.num_envs = 2, not 3"),
        (["--out", str(agent.path)], "holds other things"),
        (["--out", str(tmp_path / "file")], "exists and is no directory"),
        (["--env", "rooms_watermase"], "Did you mean rooms_watermaze"),
    ):
        assert collected(tmp_path / "new", *flags) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == folders and content(begun) == before
    process = holder(begun)
    assert collected(begun) == 2
    assert f"process {process.pid} on" in capsys.readouterr().err
    process.kill()
    process.wait()
    shutil.rmtree(begun)


def test_an_agent_by_another_name_of_its_folder_is_the_same(
    tmp_path: Path, agent: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert collected(out, "--policy", str(agent.path), "--frames", "320") == 0
    monkeypatch.chdir(agent.path.parent)
    assert collected(out, "--policy", f"{agent.path.name}/") == 0
    assert len(read_manifest(out).files) == 3
    assert collected(out, "--policy", "random") == 2
    assert "was recorded with policy = " in capsys.readouterr().err
