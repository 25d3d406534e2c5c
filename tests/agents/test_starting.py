"""Runs that begin with another run's weights, and weights that do not move."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.a2c import Learner, main
from agents.config import A2CConfig, full_config
from configs import UsageError
from cpc_rl.collect import main as collect
from cpc_rl.networks import NetworkConfig
from cpc_rl.pretrain import main as pretrain
from cpc_rl.runs import RunDirectory
from cpc_rl.starting import StartConfig, begin_with
from tests.toys import CountingEnv

SIZES = ["--network.features", "16", "--network.hidden", "16", "--cpc.steps", "3", "--device", "cpu"]
ENV = ["--env", "seekavoid_arena_01", "--backend", "minilab", "--height", "24", "--width", "24", "--num-envs", "2"]
UPDATE = 4 * 2 * 20  # frames


PLAIN = StartConfig()


def learner(start: StartConfig = PLAIN, seed: int = 1, features: int = 16, **settings: Any) -> Learner:
    config = full_config()(
        network=NetworkConfig(features=features, hidden=16),
        a2c=A2CConfig(unroll=20),
        start=start,
        run={"seed": seed},
        **{"aux": "cpc", "cpc": {"steps": 3, "anchors": "all"}, **settings},
    )
    made = Learner(config, CountingEnv([7, 5, 9], obs_shape=(24, 24, 3)))
    made.begin()
    return made


def weights(of: Learner, part: str) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in of.net.state_dict().items() if name.startswith(f"{part}.")}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(x, b[name]) for name, x in a.items())


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, Learner]:
    """A run of another seed, with a mean of its weights, after two updates."""
    made = learner(seed=7, optimiser={"average": 0.5})
    made.update()
    made.update()
    run = RunDirectory.create(tmp_path / "source", made.config)
    run.checkpoints.save(made.state_dict())
    return run.path, made


def test_network_and_heads_are_those_of_the_other_run(source: tuple[Path, Learner]) -> None:
    path, other = source
    made = learner(StartConfig(init=path), optimiser={"average": 0.5})
    mean = other.state_dict()["average"]
    assert same(dict(made.net.named_parameters()), mean) and not same(dict(other.net.named_parameters()), mean)
    assert same(dict(made.aux.named_parameters()), dict(other.aux.named_parameters()))
    assert same(made.optimiser.average.weights(), mean)  # begins anew with these
    assert made.updates == 0 and f"from {path} (network, cpc)" in made.describe(Path("run"))
    assert made.update()["loss/total"] != other.update()["loss/total"]


def test_a_loss_that_the_other_run_lacks_or_has_in_another_size_begins_anew(source: tuple[Path, Learner]) -> None:
    more = learner(cpc={"steps": 5, "anchors": "all"}, aux="cpc,curl", curl={"rows": 8})
    before = {name: x.clone() for name, x in more.aux.state_dict().items()}
    assert begin_with(source[0], more.net, more.aux, more.config.network) == []
    assert same(before, more.aux.state_dict())


@pytest.mark.parametrize(("parts", "moves"), [(("encoder",), "core"), (("core",), "encoder")])
def test_frozen_parts_keep_their_weights_bit_for_bit(parts: Any, moves: str, source: tuple[Path, Learner]) -> None:
    made = learner(StartConfig(init=source[0], freeze=parts))
    frozen, moving = weights(made, parts[0]), weights(made, moves)
    for _ in range(3):
        made.update()
    assert frozen and same(frozen, weights(made, parts[0])) and not same(moving, weights(made, moves))
    held = {id(p) for group in made.optimiser.inner.param_groups for p in group["params"]}
    assert not held & {id(p) for name, p in made.net.named_parameters() if name.startswith(f"{parts[0]}.")}


def test_all_can_be_frozen_but_the_heads_and_the_weights_may_be_random() -> None:
    made = learner(StartConfig(freeze=("encoder", "core")))
    frozen, policy = weights(made, "encoder") | weights(made, "core"), weights(made, "policy")
    made.update()
    assert same(frozen, weights(made, "encoder") | weights(made, "core")) and not same(policy, weights(made, "policy"))


def test_another_network_is_refused_by_the_first_weight_that_differs(source: tuple[Path, Learner]) -> None:
    words = r"--init .*source: .* is \[.*16.*\] there and \[.*8.*\] here; give --network.features 16$"
    with pytest.raises(UsageError, match=words):
        learner(StartConfig(init=source[0]), features=8)
    with pytest.raises(UsageError, match="no such run directory"):
        learner(StartConfig(init=source[0] / "none"))


def test_from_recorded_play_to_an_agent_that_resumes_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play, first, run = tmp_path / "play", tmp_path / "first", tmp_path / "run"
    assert collect([*ENV, "--rows", "20", "--frames", str(4 * UPDATE), "--out", str(play)]) == 0
    assert pretrain(["--data", str(play), "--frames", str(2 * UPDATE), "--run", str(first), *SIZES]) == 0
    flags = [*ENV, *SIZES, "--preset", "laptop", "--aux", "cpc", "--unroll", "20", "--cpc.anchors", "all"]
    start = ["--init", str(first), "--freeze", "encoder"]
    assert main([*flags, *start, "--frames", str(2 * UPDATE), "--run", str(run)]) == 0
    assert f"from {first} (network, cpc)" in capsys.readouterr().out
    shutil.rmtree(first)
    assert main(["--resume", str(run), "--frames", str(3 * UPDATE)]) == 0
    assert main([*flags, *start, "--frames", str(UPDATE), "--run", str(tmp_path / "other")]) == 2
    assert "no such run directory" in capsys.readouterr().err and not (tmp_path / "other").exists()
