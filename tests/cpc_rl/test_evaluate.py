import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import envs
from configs import Frozen, RunFailure, UsageError, guarded, load_yaml
from cpc_rl import evaluate as module
from cpc_rl.evaluate import evaluate_run
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import Logger, RunConfig, RunDirectory
from envs.config import EnvConfig
from tests.envs.dmlab.double import installed
from tests.toys import CountingEnv, TellingEnv

SHAPE = (36, 36, 3)


class TrainConfig(Frozen):
    env: EnvConfig = EnvConfig(num_envs=4)
    network: NetworkConfig = NetworkConfig(features=8, hidden=8)
    aux: str = "none"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[CountingEnv]:
    """The environments that `envs.make` made, in order."""
    made: list[CountingEnv] = []

    def make(config: EnvConfig, seed: int, evaluation: bool = False, **_: object) -> CountingEnv:
        assert evaluation and seed == 1
        made.append(TellingEnv([3 + i for i in range(config.num_envs)], obs_shape=SHAPE))
        return made[-1]

    monkeypatch.setattr(envs, "make", make)
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "run", TrainConfig())
    net = ActorCritic(TrainConfig().network, SHAPE, 3)
    run.checkpoints.save({"frames": 4000, "network": net.state_dict()})
    with Logger(run, RunConfig()) as logger:
        logger.write(4000, {"episode_return": 1.0})
    return run


def test_scores_both_policies_films_and_writes_the_report(run: RunDirectory, made: list[CountingEnv]) -> None:
    result = evaluate_run(run.path, episodes=4, video=run.path / "video" / "x.mp4", device="cpu")
    assert result["frames"] == 4000 and result["action_repeat"] == 4 and result["env"] == "counting"
    wanted = sum(made[0].returns(i, 0) for i in range(4)) / 4
    assert result["sampled"]["mean"] == wanted and result["sampled"]["episodes"] == 4
    assert result["sampled"]["length"] == 4.5 and result["greedy"]["length"] == 4.5
    assert result["sampled"]["info"] == {"number": {"mean": 0, "low": 0, "high": 0, "times": 4}}
    assert set(result["greedy"]["info"]) == {"number", "steps_to_find"}
    assert json.loads((run.report / "evaluation.json").read_text()) == result
    assert (run.path / "video" / "x.mp4").stat().st_size > 500
    assert [env.num_envs for env in made] == [4, 1] and all(env.closed for env in made)


def test_no_more_environments_than_episodes_and_greedy_on_request(run: RunDirectory, made: list[CountingEnv]) -> None:
    result = evaluate_run(run.path, episodes=3, greedy=False, device="cpu")
    assert made[0].num_envs == 3 and "greedy" not in result and "video" not in result


def test_the_checkpoints_weights_are_the_ones_that_play(
    run: RunDirectory, made: list[CountingEnv], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = run.checkpoints.load()
    for name, value in state["network"].items():
        value.zero_()
        if "policy" in name and name.endswith("bias"):
            value[2] = 1e6
    run.checkpoints.save(state)
    evaluate_run(run.path, episodes=1, device="cpu")
    assert torch.cat(made[0].actions).unique().tolist() == [2]


def test_the_greedy_policy_is_greedy_and_the_sampled_one_is_not(run: RunDirectory, made: list[CountingEnv]) -> None:
    state = run.checkpoints.load()
    for value in state["network"].values():
        value.zero_()
    state["network"]["policy.bias"][1] = 0.01  # nearly uniform
    run.checkpoints.save(state)
    evaluate_run(run.path, episodes=4, device="cpu")
    sampled, greedy = torch.stack(made[0].actions).split(6)  # [6, 4] each: the longest episode has 6 steps
    assert greedy.unique().tolist() == [1] and len(sampled.unique()) == 3


def test_a_checkpoint_of_another_network_is_refused(run: RunDirectory, made: list[CountingEnv]) -> None:
    text = run.config_path.read_text().replace("hidden: 8", "hidden: 9")
    run.config_path.write_text(text)
    with pytest.raises(RunFailure, match="no usable checkpoint in .*: size mismatch"):
        evaluate_run(run.path, episodes=1, device="cpu")
    assert made[0].closed


def test_a_configuration_it_cannot_read_is_named(run: RunDirectory, made: list[Any]) -> None:
    run.config_path.write_text("env: {num_envs: 0}\n")
    with pytest.raises(UsageError, match=r"config.yaml, section env: num_envs = 0"):
        evaluate_run(run.path, episodes=1, device="cpu")


def test_command_line(
    run: RunDirectory, made: list[CountingEnv], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["evaluate", str(run.path), "--episodes", "2", "--no-greedy", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", argv)
    assert guarded(module.main, debug=True) == 0
    out = capsys.readouterr().out
    assert "counting after 4,000 frames" in out and "sampled" in out and "evaluation.json" in out
    assert "in an episode" in out and "0 (0 to 0)" in out
    assert (run.path / "report" / "curve.png").exists()


def test_the_scores_stand_where_the_metrics_are_damaged(
    run: RunDirectory, made: list[CountingEnv], capsys: pytest.CaptureFixture[str]
) -> None:
    run.metrics_path.write_text("null\n")
    assert module.main([str(run.path), "--episodes", "2", "--no-greedy", "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "sampled" in captured.out and "evaluation.json" in captured.out and captured.err == ""
    assert f"no curve: {run.metrics_path}, line 1: None is no row" in captured.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere"], "nowhere: no such run directory"),
        ([], "Missing from python -m cpc_rl.evaluate: DIR Run directory to evaluate."),
        (["nowhere", "--episodes", "0"], "--episodes 0: input should be greater than or equal to 1"),
    ],
)
def test_refusals(
    argv: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", *argv])
    assert guarded(module.main, debug=False) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_what_cannot_be_written_is_told_before_anything_is_played(run: RunDirectory, made: list[CountingEnv]) -> None:
    (run.path / "report").write_text("a file")
    with pytest.raises(UsageError, match=r"cannot write .*evaluation.json: .*report: Not a directory"):
        evaluate_run(run.path, episodes=1, device="cpu")
    (run.path / "report").unlink()
    with pytest.raises(UsageError, match=r"cannot write --video .*config.yaml/x.mp4"):
        evaluate_run(run.path, episodes=1, video=run.path / "config.yaml" / "x.mp4", device="cpu")
    assert made == [] and not (run.path / "report").exists()


def test_scores_are_shown_before_they_are_written(
    run: RunDirectory, made: list[CountingEnv], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, write: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "write_atomic", full)
    assert module.main([str(run.path), "--episodes", "2", "--no-greedy", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "counting after 4,000 frames" in said.out and "No space left" in said.err and said.err.count("\n") == 1


def test_cut_episodes_are_named(run: RunDirectory, made: list[CountingEnv], capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--episodes", "2", "--no-greedy", "--device", "cpu", "--max-steps", "2"]
    assert module.main([str(run.path), *flags]) == 0
    assert "sampled: 2 episodes did not end and were cut (--max-steps)" in capsys.readouterr().out
    assert json.loads((run.report / "evaluation.json").read_text())["sampled"]["cut"] == 2


def test_the_mean_of_the_weights_plays_where_the_run_has_one(run: RunDirectory, made: list[CountingEnv]) -> None:
    state = run.checkpoints.load()
    bias = torch.tensor([0.0, 1e6, 0.0])
    run.checkpoints.save({**state, "average": {"policy.bias": bias}})
    evaluate_run(run.path, episodes=1, device="cpu")
    assert torch.cat(made[0].actions).unique().tolist() == [1]


def test_a_run_can_be_evaluated_in_another_look_which_is_said(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def make(config: EnvConfig, seed: int, **_: object) -> CountingEnv:
        seen.append((config.textures, config.randomise))
        return CountingEnv([3] * config.num_envs, obs_shape=SHAPE)

    monkeypatch.setattr(envs, "make", make)
    recorded = load_yaml(run.config_path)
    run.config_path.write_text(json.dumps(recorded | {"env": recorded["env"] | {"backend": "minilab"}}))
    argv = [str(run.path), "--episodes", "1", "--no-greedy", "--device", "cpu", "--textures", "drawn"]
    assert module.main([*argv, "--randomise", "0.5"]) == 0
    assert "not as in training: randomise 0.5" in capsys.readouterr().out
    assert module.main(argv) == 0  # the run's own look is no other
    assert "not as in training" not in capsys.readouterr().out
    assert seen == [("drawn", 0.5), ("drawn", 0.0)]
    files = {"evaluation-randomise=0.5.json": {"randomise": 0.5}, "evaluation.json": {}}
    for name, changed in files.items():
        assert json.loads((run.report / name).read_text())["changed"] == changed
    run.config_path.write_text(json.dumps(recorded | {"env": recorded["env"] | {"backend": "dmlab"}}))
    with pytest.raises(UsageError, match="--randomise: the run is played on dmlab; minilab alone has this setting"):
        evaluate_run(run.path, episodes=1, randomise=0.5, device="cpu")


def test_an_agent_of_minilab_plays_in_deepmind_lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = TrainConfig(env=EnvConfig(name="minilab/seekavoid_arena_01", height=36, width=36, look="engine"))
    run = RunDirectory.create(tmp_path / "run", config)
    weights = ActorCritic(config.network, SHAPE, 9).half().state_dict()  # as small as they are handed on
    run.checkpoints.save({"frames": 4000, "network": weights})
    argv = [str(run.path), "--episodes", "1", "--no-greedy", "--device", "cpu", "--max-steps", "3"]
    with installed(tmp_path) as double:
        assert module.main([*argv, "--backend", "dmlab"]) == 0
        assert double.log("construct") == [["construct", "seekavoid_arena_01"]]
    assert "not as in training: backend dmlab" in capsys.readouterr().out
    result = json.loads((run.report / "evaluation-backend=dmlab.json").read_text())
    assert result["backend"] == "dmlab" and result["changed"] == {"backend": "dmlab"}


@pytest.mark.parametrize(
    ("backend", "flags", "words"),
    [
        ("gymnasium", {"backend": "dmlab"}, "--backend: the run was trained on gymnasium; minilab and dmlab play"),
        ("minilab", {"backend": "dmlab", "look": "engine"}, "--look: the run is played on dmlab; minilab alone has"),
        ("minilab", {"dmlab_renderer": "hardware"}, "--dmlab-renderer: the run is played on minilab; dmlab alone has"),
        ("minilab", {"randomise_half": "first"}, "randomise_half is first, but randomise is 0"),
        ("dmlab", {"backend": "minilab", "dmlab_renderer": "hardware"}, "--dmlab-renderer: the run is played on mini"),
    ],
)
def test_a_setting_that_the_back_end_does_not_have_is_refused(
    backend: str, flags: dict[str, Any], words: str, run: RunDirectory, made: list[CountingEnv]
) -> None:
    recorded = load_yaml(run.config_path)
    recorded["env"] |= {"backend": backend, "name": "rooms_watermaze"}
    run.config_path.write_text(json.dumps(recorded))
    with pytest.raises(UsageError, match=words):
        evaluate_run(run.path, episodes=1, device="cpu", **flags)
    assert not made


def test_a_run_of_before_textures_is_evaluated_in_the_look_it_was_trained_with(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one of today's in its own."""
    seen = []

    def make(config: EnvConfig, seed: int, **_: object) -> CountingEnv:
        seen.append(config.textures)
        return CountingEnv([3] * config.num_envs, obs_shape=SHAPE)

    monkeypatch.setattr(envs, "make", make)
    recorded = load_yaml(run.config_path) | {"a2c": {}, "optimiser": {}}
    recorded["env"]["backend"] = "minilab"
    for textures in (None, "drawn", "labmaze"):
        env = {key: value for key, value in recorded["env"].items() if key != "textures"}
        env |= {} if textures is None else {"textures": textures}
        run.config_path.write_text(json.dumps(recorded | {"env": env}))  # JSON is YAML
        evaluate_run(run.path, episodes=1, greedy=False, device="cpu")
    assert seen == ["labmaze", "drawn", "labmaze"]
