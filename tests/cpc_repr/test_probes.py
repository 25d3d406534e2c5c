"""Probes against problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cpc_repr.probes import Probe, ProbeConfig, Score, clustered, fit_probe, hold_out, most_frequent, score

CONFIG = ProbeConfig(epochs=30, learning_rates=(3e-2,), batch_rows=128, hidden=16)


def gaussians(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes at the corners of a triangle, in features of very different scales, one of them constant."""
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (n,), generator=g)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    x = centres[y] + torch.randn(n, 2, generator=g)
    return torch.cat([x * torch.tensor([1e4, 1e-4]), torch.ones(n, 1)], dim=1), y


def xor(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return x, (x[:, 0] * x[:, 1] > 0).long()


def bayes(x: torch.Tensor, y: torch.Tensor) -> float:
    x = x[:, :2] / torch.tensor([1e4, 1e-4])
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    return float((torch.cdist(x, centres).argmin(1) == y).double().mean())


def test_linear_probe_reaches_the_best_possible() -> None:
    x, y = gaussians(2000, 0)
    test, want = gaussians(4000, 1)
    probe = fit_probe(x, y, 3, CONFIG)
    found = score(probe, test, want, torch.arange(4000) // 10)
    assert abs(found.accuracy - bayes(test, want)) < 0.01
    assert found.low < bayes(test, want) < found.high


def test_a_hidden_layer_solves_what_a_line_cannot() -> None:
    (x, y), (test, want) = xor(3000, 0), xor(1000, 1)
    rows = torch.arange(1000)
    linear = score(fit_probe(x, y, 2, CONFIG), test, want, rows)
    mlp = score(fit_probe(x, y, 2, CONFIG, hidden=16), test, want, rows)
    assert linear.accuracy < 0.75 and mlp.accuracy > 0.93


def test_the_probe_is_linear_in_the_features() -> None:
    x, y = gaussians(500, 0)
    probe = fit_probe(x, y, 3, CONFIG)
    middle = probe((x[:1] + x[1:2]) / 2)
    torch.testing.assert_close(middle, (probe(x[:1]) + probe(x[1:2])) / 2)


def test_same_seed_same_probe() -> None:
    x, y = gaussians(500, 0)
    short = CONFIG.model_copy(update={"epochs": 2})
    torch.manual_seed(5)
    one = fit_probe(x, y, 3, short, seed=1, hidden=4)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    two, other = (fit_probe(x, y, 3, short, seed=s, hidden=4) for s in (1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one(x), two(x)) and not torch.equal(one(x), other(x))


def test_features_in_a_file_give_the_same_probe(tmp_path) -> None:
    x, y = gaussians(500, 0)
    filed = torch.from_file(str(tmp_path / "x"), shared=True, size=1500).view(500, 3)
    filed.copy_(x)
    short = CONFIG.model_copy(update={"epochs": 2})
    assert torch.equal(fit_probe(x, y, 3, short)(x), fit_probe(filed, y, 3, short)(x))


def test_every_row_is_seen_each_epoch_and_ticks_are_counted() -> None:
    ticks: list[tuple[int, int]] = []
    x, y = gaussians(300, 0)
    fit_probe(x, y, 3, ProbeConfig(epochs=2, batch_rows=128), tick=lambda *now: ticks.append(now))
    assert ticks == [
        (i, 18) for i in range(1, 19)
    ]  # 270 rows are three batches of at most 128, for two passes at three rates


def test_what_is_held_out_is_whole_clusters() -> None:
    cluster = torch.arange(20).repeat_interleave(5)
    held = hold_out(cluster, 0.1, seed=0).view(20, 5)
    assert held.sum() == 10 and torch.equal(held.any(1), held.all(1))
    assert not torch.equal(held, hold_out(cluster, 0.1, seed=1).view(20, 5))
    assert not hold_out(cluster, 0, seed=0).any() and not hold_out(torch.zeros(3), 0.9, seed=0).any()
    assert hold_out(torch.arange(3), 0.01, seed=0).sum() == 1 and hold_out(torch.arange(2), 0.9, seed=0).sum() == 1


def test_held_out_rows_are_not_fitted() -> None:
    x, y = gaussians(500, 0)
    once = CONFIG.model_copy(update={"epochs": 1})  # nothing to choose
    held = hold_out(torch.arange(500), 0.1, seed=3)
    other = x.clone(), y.clone()
    other[0][held], other[1][held] = 7.0, 0
    assert torch.equal(fit_probe(x, y, 3, once, seed=3)(x), fit_probe(*other, 3, once, seed=3)(x))
    assert not torch.equal(fit_probe(x, y, 3, once, seed=3)(x), fit_probe(*other, 3, once, seed=4)(x))


def test_the_rate_that_is_best_on_held_out_rows_is_chosen() -> None:
    x, y = gaussians(2000, 0)
    rates = CONFIG.model_copy(update={"learning_rates": (1e-9, 3e-2)})
    alone = fit_probe(x, y, 3, CONFIG)
    assert torch.equal(fit_probe(x, y, 3, rates)(x), alone(x))
    held = hold_out(torch.arange(2000), 0.1, seed=0)
    y[held] = (y[held] + 1) % 3  # now whatever is learnt of the others is wrong of these
    untouched = fit_probe(x, y, 3, CONFIG.model_copy(update={"learning_rates": (1e-9,)}))
    torch.testing.assert_close(fit_probe(x, y, 3, rates)(x), untouched(x), atol=1e-5, rtol=0)


def test_it_stops_after_the_pass_that_is_best_on_held_out_rows() -> None:
    x, y = gaussians(1000, 0)
    held = hold_out(torch.arange(1000), 0.1, seed=0)
    y[held] = (y[held] + 1) % 3  # the more is learnt of the others, the less is right of these
    slow = ProbeConfig(epochs=30, learning_rates=(3e-3,), batch_rows=128)
    stopped = fit_probe(x, y, 3, slow)
    whole = fit_probe(x[~held], y[~held], 3, slow.model_copy(update={"validation": 0.0}))
    fitted, right = (
        [float((p(x[m]).argmax(1) == y[m]).float().mean()) for p in (stopped, whole)] for m in (~held, held)
    )
    assert fitted[0] < fitted[1] - 0.05 and right[0] > right[1] + 0.05


def test_nothing_to_choose_by_is_refused() -> None:
    with pytest.raises(ValueError, match="validation = 0 leaves nothing to choose by among 2"):
        ProbeConfig(validation=0, learning_rates=(1e-3, 1e-2))


@pytest.mark.parametrize(
    "x, y, words", [(0, 0, "0 rows"), (3, 2, "3 rows of features for 2"), (2, 2, "allowed are 0..0")]
)
def test_what_does_not_fit_is_refused(x: int, y: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_probe(torch.zeros(x, 2), torch.ones(y, dtype=torch.int64), 1, CONFIG)


def test_interval_counts_clusters_not_rows() -> None:
    g = torch.Generator().manual_seed(0)
    each = (torch.rand(100, generator=g) < 0.5).float()  # 100 utterances, all frames of one alike
    wide = clustered(each.repeat_interleave(50), torch.arange(100).repeat_interleave(50))
    narrow = clustered(each.repeat_interleave(10), torch.arange(1000))
    p = float(each.mean())
    assert wide.accuracy == pytest.approx(p) and narrow.accuracy == pytest.approx(p)
    half = 1.96 * np.sqrt(p * (1 - p) / 100)
    assert (wide.high - wide.low) / 2 == pytest.approx(half, rel=0.15)
    assert (narrow.high - narrow.low) == pytest.approx((wide.high - wide.low) / np.sqrt(10), rel=0.15)


def test_clusters_weigh_as_much_as_they_have_rows() -> None:
    hit = torch.tensor([1.0] * 9 + [0.0])
    assert clustered(hit, torch.tensor([7] * 9 + [3])).accuracy == pytest.approx(0.9)


def test_chance_is_the_most_frequent_training_class() -> None:
    test = torch.tensor([0, 1, 1, 1])
    assert most_frequent(torch.tensor([0, 0, 1]), test, torch.arange(4)).accuracy == 0.25


def test_constant_features_do_no_harm() -> None:
    probe = fit_probe(torch.ones(10, 2), torch.zeros(10, dtype=torch.int64), 2, CONFIG)
    assert isinstance(probe, Probe) and probe(torch.ones(1, 2)).isfinite().all()
    assert str(Score(0.1234, 0, 1)) == "12.3%"
