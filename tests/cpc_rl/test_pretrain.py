"""Training on recorded play, of seekavoid_arena_01 in tiny pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from configs import load_yaml
from cpc_rl import pretrain as module
from cpc_rl.aux import AUX_LOSSES, CPC
from cpc_rl.collect import main as collect
from cpc_rl.networks import NetworkConfig
from cpc_rl.pretrain import Pretrainer, following, full_config, main
from cpc_rl.probe import probe_run
from cpc_rl.runs import RunDirectory
from cpc_rl.trajectories import read_manifest, read_rows
from envs.config import EnvConfig
from tests.cpc_rl.test_collect import made

TINY = ["--network.features", "16", "--network.hidden", "16", "--cpc.steps", "3", "--device", "cpu"]
FILE = 4 * 2 * 20  # frames


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files of 20 rows of two environments."""
    folder = tmp_path_factory.mktemp("play") / "data"
    flags = ["--env", "seekavoid_arena_01", "--backend", "minilab", "--height", "24", "--width", "24"]
    flags += ["--num-envs", "2", "--rows", "20", "--frames", str(6 * FILE), "--out", str(folder)]
    assert collect(flags) == 0
    return folder


def learner(data: Path, **settings: Any) -> Pretrainer:
    network = {"features": 16, "hidden": 16}
    config = full_config()(data=data, network=network, cpc={"steps": 3, "anchors": "all"}, **settings)
    return Pretrainer(config, read_manifest(data), torch.device("cpu"))


def newest(run: Path) -> dict[str, Any]:
    return RunDirectory(run).checkpoints.load()


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def test_a_resumed_run_ends_as_one_that_was_not_stopped_and_held_out_files_disturb_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = ["--data", str(data), "--aux", "cpc,curl", "--curl.rows", "8", *TINY]
    assert main([*flags, "--frames", str(7 * FILE), "--run", str(whole), "--log-updates", "1"]) == 0
    assert "aux cpc,curl" in (printed := capsys.readouterr().out) and "cpc accuracy_1 held out" in printed
    assert main([*flags, "--frames", str(3 * FILE), "--run", str(parts), "--log-updates", "100"]) == 0
    assert newest(parts)["updates"] == 3
    assert main(["--resume", str(parts), "--frames", str(7 * FILE)]) == 0
    kept = "network", "aux", "optimiser", "state", "torch_rng", "frames", "updates"
    one, other = newest(whole), newest(parts)
    assert all(equal(one[name], other[name]) for name in kept) and one["updates"] == 7

    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["frames"] for row in rows] == [FILE * n for n in range(1, 8)] and rows[-1]["passes"] == 1.75
    assert all(f"{place}loss/{name}" in rows[0] for place in ("", "held_out/") for name in ("cpc", "curl", "total"))
    assert (whole / "report" / "curve.png").is_file()
    saved = load_yaml(whole / "config.yaml")
    assert saved["env"]["name"] == "seekavoid_arena_01" and {"cpc", "curl"} <= saved.keys() and "spr" not in saved
    assert probe_run(whole, 5, every=50, device="cpu")["frames"] == 7 * FILE

    capsys.readouterr()
    assert main(["--resume", str(whole), "--aux", "cpc"]) == 2
    assert "cannot resume with aux = cpc" in capsys.readouterr().err


def test_the_core_goes_on_from_file_to_file_and_starts_anew_with_each_pass(data: Path) -> None:
    one = learner(data, optimiser={"learning_rate": 1e-30})  # weights stay as they are
    for _ in range(3):
        one.update()
    manifest = read_manifest(data)
    files = [read_rows(data, manifest, number) for number in range(3)]
    rows = {name: torch.cat([file[name] for file in files]) for name in files[0]}
    inputs = (rows[name] for name in ("obs", "last_action", "reward", "is_first"))
    with torch.no_grad():
        h, c = one.net(*inputs, one.net.initial_state(2)).state
    torch.testing.assert_close(one.state, (h, c))
    first = learner(data, optimiser={"learning_rate": 1e-30})
    first.update()
    one.update()
    one.update()  # the first file again, of four that are trained on
    torch.testing.assert_close(one.state, first.state)


def test_files_held_out_are_never_trained_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def reading(folder: Path, manifest: Any, number: int) -> Any:
        asked.append(number)
        return read_rows(folder, manifest, number)

    monkeypatch.setattr(module, "read_rows", reading)
    one = learner(data, held_out=3)
    for _ in range(4):
        one.update()
    one.ahead._pool.shutdown()
    assert asked == [0, 1, 2, 0, 1]
    one.record()
    assert asked[5:] == [2, 3, 4, 5]  # the state is led in by the last file that is trained on


def test_it_learns_what_comes_next(data: Path) -> None:
    one = learner(data, optimiser={"learning_rate": 3e-3})
    losses = [one.update()["loss/cpc"] for _ in range(64)]
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    assert torch.equal(one.net.policy.weight, learner(data).net.policy.weight)  # nobody trains it


class NeedsLogits(CPC):
    needs: ClassVar[frozenset[str]] = frozenset({"z", "logits"})


def test_wrong_words_are_refused_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUX_LOSSES, "needing", NeedsLogits)
    for flags, says in (
        (["--aux", "needing"], "aux needing needs logits, which only a training agent has"),
        (["--aux", "none"], "aux none: there is nothing else to learn from"),
        (["--aux", "cpcc"], "aux 'cpcc': allowed are"),
        (["--data", str(tmp_path)], "holds no recorded play: it has no manifest.json"),
        (["--held-out", "6"], "has 6 files in all"),
        (["--cpc.steps", "19"], "cpc.steps 19: must be smaller than a2c.unroll, 19 (the unroll is a file of 20 rows)"),
        (["--preset", "laptop"], "this program has no presets"),
    ):
        assert main(["--data", str(data), *TINY, "--run", str(tmp_path / "run"), *flags]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_run_goes_on_with_its_own_files_only(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    assert main(["--data", str(data), *TINY, "--frames", "1", "--run", str(run)]) == 0
    flags = ["--env", "seekavoid_arena_01", "--backend", "minilab", "--height", "24", "--width", "24", "--seed", "2"]
    assert collect([*flags, "--num-envs", "2", "--rows", "20", "--frames", "640", "--out", str(other)]) == 0
    capsys.readouterr()
    assert main(["--resume", str(run), "--frames", "1000", "--data", str(other)]) == 2
    assert "the run learnt from other files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("env", "obs_shape", "says"),
    [
        ({"name": "seekavoid_arena_01", "backend": "minilab"}, (72, 96, 3), "cpc_rl.probe run"),
        (
            {"name": "CartPole-v1", "backend": "gymnasium"},
            (4,),
            "agents.a2c --env gymnasium/CartPole-v1 --init run --network.features 256 --network.hidden 256",
        ),
        (
            {"name": "Pong-v5", "backend": "envpool", "height": 48, "width": 64},
            (48, 64, 4),
            "agents.a2c --env envpool/Pong-v5 --init run --height 48 --width 64",
        ),
    ],
)
def test_what_to_do_next_fits_the_network(env: dict[str, Any], obs_shape: tuple[int, ...], says: str) -> None:
    manifest = made(env=EnvConfig(**env), obs_shape=obs_shape)
    assert following(manifest, NetworkConfig(), Path("run")) == f"python -m {says}"
