"""Wrong words on the command line: one line, what is allowed, the right exit code, and nothing left behind."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

from agents.a2c import main
from configs import RunFailure
from cpc_rl.evaluate import evaluate_run
from tests.cpc_rl.runs.test_lock import holder


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--env", "rooms_watermase"], ["rooms_watermase", "Did you mean rooms_watermaze"]),
        (
            ["--cpc.anchors", "0"],
            ["--cpc.anchors 0: input should be greater than or equal to 1 or input should be 'all'"],
        ),
        (["--aux", "cpcc"], ["cpcc", "none, cpc"]),
        (["--preset", "labtop"], ["labtop", "laptop"]),
        (["--aux", "cpc", "--cpc.steps", "100"], ["cpc.steps 100", "smaller than a2c.unroll, 100"]),
        (["--num-envs", "0"], ["--num-envs", "0", "greater than or equal to 1"]),
        (["--optimiser.learning-rate", "fast"], ["learning-rate", "fast"]),
        (["--num-env", "3"], ["--num-env"]),
        (["--run", "EXISTS"], ["exists", "--resume"]),
        (["--run", "FILE/below"], ["cannot write run directory"]),
        (["--resume", "EXISTS"], ["not a run directory"]),
        (["--device", "cuda:99"], ["cuda:99"]),
        (["--config", "BAD"], ["entropy", "not a known key"]),
    ],
)
def test_one_line_and_exit_code_two(flags, says, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EXISTS").mkdir()
    (tmp_path / "EXISTS" / "thing").touch()
    (tmp_path / "FILE").touch()
    (tmp_path / "BAD").write_text("a2c: {entropy: 1}")
    before = sorted(tmp_path.rglob("*"))
    assert main([*flags, *([] if "--env" in flags else ["--env", "rooms_watermaze"])]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    for word in says:
        assert word in error
    assert sorted(tmp_path.rglob("*")) == before


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("--env", "--aux", "--cpc.weight", "--entropy-cost", "--resume", "--preset", "IMPALA"):
        assert word in text


@pytest.mark.parametrize(("flag", "name"), [("--wandb", "wandb"), ("--track=tensorboard", "tensorboard")])
def test_a_missing_package_is_told_before_a_directory_is_made(
    flag: str, name: str, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    tiny = ["--frames", "80", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24"]
    tiny += ["--run", str(tmp_path / "runs" / "run"), "--preset", "laptop"]
    assert main([*tiny, flag]) == 2
    assert f"--track {name} needs a package" in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_a_run_that_ended_before_its_first_update_can_be_resumed(tmp_path: Path, monkeypatch, capsys):
    run = str(tmp_path / "run")
    tiny = ["--frames", "300", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24"]
    with monkeypatch.context() as patch:
        patch.setattr("agents.a2c.Learner.update", fail)
        assert main([*tiny, "--run", run, "--preset", "laptop"]) == 1
    assert f"no luck; the newest checkpoint before it is {run}/checkpoint-0.pt" in capsys.readouterr().err
    assert main(["--resume", run]) == 0
    assert [p.name for p in sorted((tmp_path / "run").glob("*.pt"))] == ["checkpoint-320.pt", "checkpoint-80.pt"]
    for checkpoint in (tmp_path / "run").glob("*.pt"):
        checkpoint.unlink()
    assert main(["--resume", run]) == 1  # its records would be lost
    assert "no checkpoint in" in capsys.readouterr().err


def test_a_run_that_another_process_writes_is_evaluated_but_not_resumed(tmp_path: Path, capsys):
    run = tmp_path / "run"
    tiny = ["--frames", "80", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24"]
    assert main([*tiny, "--run", str(run), "--preset", "laptop"]) == 0
    other = holder(run)
    try:
        capsys.readouterr()
        assert main(["--resume", str(run), "--frames", "160"]) == 2
        error = capsys.readouterr().err
        assert f"process {other.pid} on " in error and error.count("\n") == 1
        assert evaluate_run(run, 1, greedy=False, num_envs=1)["frames"] == 80
    finally:
        other.kill()
        other.wait()
    assert main(["--resume", str(run), "--frames", "160"]) == 0


def test_the_recorded_configuration_makes_the_same_run_elsewhere(tmp_path: Path, capsys):
    tiny = ["--frames", "100", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24", "--seed", "7"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([*tiny, "--run", str(first), "--preset", "paper"]) == 0
    capsys.readouterr()
    assert main(["--resume", str(first), "--wandb-project", "other", "--quiet"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and said[0].startswith(f"done: {first}")
    assert main(["--config", str(first / "config.yaml"), "--run", str(second)]) == 0
    assert (first / "config.yaml").read_text() == (second / "config.yaml").read_text()
    assert "seed: 7" in (second / "config.yaml").read_text()
    assert main(["--resume", str(first), "--run", str(second)]) == 2
    assert "give one" in capsys.readouterr().err


def fail(*_: object) -> None:
    raise RunFailure("no luck")


def spoil(path: Path, damage: str) -> None:
    """A checkpoint that is a whole file and yet no use."""
    saved = torch.load(path, weights_only=True)
    match damage:
        case "weight of another shape":
            saved["network"]["policy.bias"] = torch.zeros(99)
        case "moments of another shape":
            saved["optimiser"]["state"][0]["exp_avg"] = torch.zeros(99)
        case _:
            del saved[damage]
    torch.save(saved, path)


def test_checkpoints_damaged_in_a_way_that_is_valid_give_way_to_the_one_before(tmp_path: Path, capsys):
    tiny = ["--frames", "160", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24"]
    tiny += ["--checkpoint-minutes", "1e-9"]
    assert main([*tiny, "--run", str(tmp_path / "run"), "--preset", "laptop"]) == 0
    for damage in ("ranks", "moments of another shape", "weight of another shape"):
        run = tmp_path / damage
        shutil.copytree(tmp_path / "run", run)
        spoil(run / "checkpoint-160.pt", damage)
        capsys.readouterr()
        if damage == "weight of another shape":
            assert evaluate_run(run, 1, greedy=False, num_envs=1)["frames"] == 80
            assert "checkpoint-160.pt is damaged" in capsys.readouterr().err
        assert main(["--resume", str(run)]) == 0
        error = capsys.readouterr().err
        assert "checkpoint-160.pt is damaged" in error and error.count("\n") == 1, damage


def test_a_step_that_spoils_the_weights_is_told_and_not_saved(tmp_path: Path, capsys):
    tiny = ["--frames", "160", "--num-envs", "1", "--unroll", "20", "--height", "24", "--width", "24"]
    flags = ["--optimiser.name", "rmsprop", "--optimiser.mean-square-init", "0", "--optimiser.epsilon", "1e-300"]
    assert main([*tiny, *flags, "--run", str(tmp_path / "run"), "--preset", "laptop"]) == 1
    error = capsys.readouterr().err
    assert "is not finite after update 1; the newest checkpoint before it is " in error and error.count("\n") == 1
    assert [path.name for path in (tmp_path / "run").glob("*.pt")] == ["checkpoint-0.pt"]
