"""The shared trunk: warm-up, checkpoints, resuming bit for bit, stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field
from torch import nn

from configs import Frozen, MayChange, RunFailure, UsageError
from cpc_repr.training import Learner, Stopped, fit, seeded, subdirectory
from cpc_rl.distributed import ProcessGroup
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs import RunDirectory, RunSettings, StopSignal, read_metrics


class Settings(Frozen):
    size: int = 3
    updates: MayChange[int] = 10
    run: RunSettings = Field(default_factory=lambda: RunSettings(log_updates=2, checkpoint_minutes=1e-9))


def learner(accumulate: int = 1, spoil_at: int = -1, rate: float = 0.05) -> Learner:
    module = seeded(1, lambda: nn.Linear(3, 1))

    def loss(number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        error = (module(x)[:, 0] - x.sum(1)).square().mean()
        if number == spoil_at:
            error = error * torch.inf
        return error, {"number": torch.tensor(number)}

    return Learner(module, loss, OptimiserConfig(learning_rate=rate, warmup=4), 10, accumulate)


def run(path: Path, target: Learner, updates: int = 10, stop: StopSignal | None = None, size: int = 3) -> RunDirectory:
    config = Settings(updates=updates, size=size)
    directory = subdirectory(path, config)
    target.total, stop = updates, stop or StopSignal()
    fit(directory, config.run, config, target, stop, {"loss": "loss/total"})
    return directory


def test_the_rate_is_the_one_adam_uses() -> None:
    target = learner(rate=0.4)
    before = target.module.weight.detach().clone()
    values = target.update()
    step = (target.module.weight.detach() - before).abs().max()
    assert values["learning_rate"] == pytest.approx(0.1) and step == pytest.approx(0.1, rel=1e-3)


def test_accumulated_batches_are_one_batch() -> None:
    whole, halves = learner(), learner(accumulate=2)
    whole.loss = lambda number: (sum(halves.loss(i)[0] for i in (0, 1)) / 2, {})
    halves_module = halves.module.state_dict()
    whole.module.load_state_dict(halves_module)
    losses = [halves.loss(i)[0].item() for i in (0, 1)]
    values = halves.update()
    assert values["loss/total"] == pytest.approx(sum(losses) / 2)
    assert values["number"] == 0.5
    expected = learner()
    x = [torch.randn(8, 3, generator=torch.Generator().manual_seed(i)) for i in (0, 1)]
    loss = sum((expected.module(v)[:, 0] - v.sum(1)).square().mean() for v in x) / 2
    gradient = torch.autograd.grad(loss, expected.module.weight)[0]
    torch.testing.assert_close(halves.params[0].grad, gradient)
    assert halves.loss is not None and halves.update()["number"] == 2.5


def test_resumed_is_never_stopped(tmp_path: Path) -> None:
    straight, first, second = learner(), learner(), learner()
    run(tmp_path / "a", straight)
    run(tmp_path / "b", first, updates=5)
    directory = run(tmp_path / "b", second)
    assert second.updates == 10
    for x, y in zip(straight.params, second.params, strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(first.params[0], second.params[0])
    rows = [read_metrics(d.metrics_path) for d in (RunDirectory(tmp_path / "a"), directory)]
    assert [row["updates"] for row in rows[1]] == [2, 4, 5, 6, 8, 10]
    assert {row["updates"]: row["loss/total"] for row in rows[0]}[10] == rows[1][-1]["loss/total"]
    assert {"seconds", "updates_per_second", "learning_rate", "gradient_norm"} <= rows[1][0].keys()
    assert len(directory.checkpoints.paths()) == 2


def test_a_signal_stops_after_the_update_with_a_checkpoint(tmp_path: Path) -> None:
    stop, straight, stopped = StopSignal(), learner(), learner()
    inner = stopped.loss

    def loss(number: int):
        stop.stop = number == 3
        return inner(number)

    stopped.loss = loss
    with pytest.raises(Stopped, match="4 of 10"):
        run(tmp_path / "run", stopped, stop=stop)
    again = learner()
    run(tmp_path / "run", again)
    run(tmp_path / "straight", straight)
    assert torch.equal(again.params[0], straight.params[0])


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    done, loaded = learner(), learner()
    run(tmp_path / "run", done)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    run(tmp_path / "run", loaded)
    assert torch.equal(done.params[0], loaded.params[0])
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == lines


def test_other_settings_are_refused_where_they_decide_weights(tmp_path: Path) -> None:
    run(tmp_path / "run", learner(), updates=4)
    with pytest.raises(UsageError, match="cannot resume with size = 4: the checkpoint was made with 3"):
        run(tmp_path / "run", learner(), size=4)
    longer = learner()
    run(tmp_path / "run", longer, updates=12)
    assert longer.updates == 12


def test_what_is_not_finite_never_reaches_the_weights(tmp_path: Path) -> None:
    target = learner(spoil_at=6)
    with pytest.raises(RunFailure, match=r"loss/total is .* at update 6; the newest .* is .*checkpoint-6"):
        run(tmp_path / "run", target)
    assert all(p.isfinite().all() for p in target.params)
    assert RunDirectory(tmp_path / "run").checkpoints.load()["updates"] == 6


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(0)
    one = seeded(3, lambda: nn.Linear(2, 2))
    torch.manual_seed(9)
    state = torch.get_rng_state()
    two = seeded(3, lambda: nn.Linear(2, 2))
    assert torch.equal(one.weight, two.weight) and torch.equal(state, torch.get_rng_state())
    assert not torch.equal(one.weight, seeded(4, lambda: nn.Linear(2, 2)).weight)


def shaped(**values: Any) -> Learner:
    target = learner()
    return Learner(target.module, target.loss, OptimiserConfig(learning_rate=0.05, **values), 10)


def test_the_gradient_is_clipped() -> None:
    """Adam takes full steps however small the gradient is, so it is its mean that shows the clipping."""
    free, clipped = shaped(), shaped(clip_norm=0.01)
    norms = [target.update()["gradient_norm"] for target in (free, clipped)]
    assert norms[0] == norms[1] > 1  # what is reported is the norm before
    means = [
        torch.cat([state["exp_avg"].flatten() for state in target.optimiser.inner.state.values()]).norm() / 0.1
        for target in (free, clipped)
    ]
    assert means[0] == pytest.approx(norms[0], rel=1e-4) and means[1] == pytest.approx(0.01, rel=1e-3)


def test_beta1_is_adams() -> None:
    assert shaped(beta1=0.8).optimiser.inner.param_groups[0]["betas"] == (0.8, 0.999)
    assert shaped().optimiser.inner.param_groups[0]["betas"] == (0.9, 0.999)


def test_frozen_weights_are_the_mean_of_all_there_were() -> None:
    target = shaped(average=0.9)
    mean = {name: p.detach().clone() for name, p in target.module.named_parameters()}
    for n in range(200):
        target.update()
        decay = min(0.9, (1 + n) / (10 + n))
        for name, p in target.module.named_parameters():
            mean[name] = decay * mean[name] + (1 - decay) * p.detach()
    last = {name: p.detach().clone() for name, p in target.module.named_parameters()}
    module = target.freeze()
    for name, p in module.named_parameters():
        torch.testing.assert_close(p, mean[name])
        assert not torch.equal(p, last[name]) and not p.requires_grad
    plain = shaped()
    plain.update()
    before = plain.module.weight.detach().clone()
    assert torch.equal(plain.freeze().weight, before) and not plain.module.training


def test_the_mean_of_weights_survives_a_resume(tmp_path: Path) -> None:
    whole = shaped(average=0.9)
    run(tmp_path / "whole", whole, 10)
    run(tmp_path / "halves", shaped(average=0.9), 4)
    resumed = shaped(average=0.9)
    run(tmp_path / "halves", resumed, 10)
    assert torch.equal(whole.freeze().weight, resumed.freeze().weight)


def test_a_falling_rate_is_resumed_over_its_own_length_only(tmp_path: Path) -> None:
    whole, resumed = shaped(schedule="linear"), shaped(schedule="linear")
    run(tmp_path / "whole", whole, 10)
    stop, halves = StopSignal(), shaped(schedule="linear")
    inner = halves.loss

    def loss(number: int):
        stop.stop = number == 3
        return inner(number)

    halves.loss = loss
    with pytest.raises(Stopped):
        run(tmp_path / "halves", halves, 10, stop)
    with pytest.raises(UsageError, match="length of 20: the checkpoint was made with 10, over which"):
        run(tmp_path / "halves", shaped(schedule="linear"), 20)
    run(tmp_path / "halves", resumed, 10)
    assert torch.equal(whole.module.weight, resumed.module.weight)


def test_a_checkpoint_of_old_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Before `total` there was `fall`, the updates over which the rate falls, or 0."""
    values = {"average": 0.9, "schedule": "linear"}
    whole, half, resumed = shaped(**values), shaped(**values), shaped(**values)
    for _ in range(4):
        half.update()
    saved = half.state_dict()
    resumed.load_state_dict({**{k: v for k, v in saved.items() if k != "total"}, "fall": 10})
    for target, left in ((whole, 10), (resumed, 6)):
        for _ in range(left):
            target.update()
    assert torch.equal(whole.freeze().weight, resumed.freeze().weight)
    with pytest.raises(UsageError, match="the checkpoint was made with 20"):
        shaped(**values).load_state_dict({**{k: v for k, v in saved.items() if k != "total"}, "fall": 20})


def test_ranks_share_out_batches_evenly_or_not_at_all() -> None:
    target = learner()
    with pytest.raises(UsageError, match="--accumulate 3: 2 processes"):
        Learner(target.module, target.loss, OptimiserConfig(), 10, 3, ProcessGroup(0, 2))
