"""The core: info_nce against the dense cross-entropy, its semantics and its errors."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cpc_rl.infonce import InfoNCE, duplicate_rate, info_nce

P, N, M, D = 2, 5, 7, 3


def make(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    anchors = torch.randn(P, N, D, generator=rng, dtype=dtype)
    candidates = torch.randn(P, M, D, generator=rng, dtype=dtype)
    positive = torch.randint(M, (P, N), generator=rng)
    return anchors.requires_grad_(), candidates.requires_grad_(), positive


def dense(
    anchors: Tensor, candidates: Tensor, positive: Tensor, negative: Tensor, scale: float | Tensor = 1.0
) -> Tensor:
    """Per-anchor cross-entropy of [positive, negatives], `negative` being a count [P, n, m] of each candidate."""
    loss = []
    for p in range(anchors.shape[0]):
        for i in range(anchors.shape[1]):
            score = scale * candidates[p] @ anchors[p, i]
            own = score[positive[p, i]]
            others = score.repeat_interleave(negative[p, i])
            loss.append(torch.logsumexp(torch.cat([own[None], others]), 0) - own)
    return torch.stack(loss).view(anchors.shape[:2])


def everything_but_positive(positive: Tensor) -> Tensor:
    return 1 - F.one_hot(positive, M)


CASES = {
    "plain": {},
    "weights": {"anchor_weight": torch.rand(P, N, generator=torch.Generator().manual_seed(3))},
    "valid": {"candidate_valid": torch.tensor([[1, 1, 0, 1, 1, 0, 1], [0, 1, 1, 1, 0, 1, 1]], dtype=torch.bool)},
    "groups": {
        "anchor_group": torch.tensor([[0, 1, 2, 0, 1], [2, 2, 0, 1, 0]]),
        "candidate_group": torch.tensor([[0, 1, 2, 0, 1, 2, 0], [1, 1, 0, 2, 2, 0, 1]]),
    },
    "sampled": {"negatives": torch.tensor([[0, 3, 3, 6], [1, 2, 5, 5]])},
    "sampled with positive": {
        "negatives": torch.tensor([[0, 3, 3, 6], [1, 2, 5, 5]]),
        "allow_positive_as_negative": True,
    },
    "scale": {"scale": 0.1},
}
CASES["all"] = {
    k: v for name in ("weights", "valid", "groups", "sampled with positive", "scale") for k, v in CASES[name].items()
}


def negatives_of(case: dict, positive: Tensor) -> Tensor:
    """How often each candidate is a negative of each anchor, [P, n, m], by loops."""
    count = torch.zeros(P, N, M, dtype=torch.long)
    for p in range(P):
        for i in range(N):
            for j in case["negatives"][p].tolist() if "negatives" in case else range(M):
                if j == positive[p, i] and not case.get("allow_positive_as_negative"):
                    continue
                if "candidate_valid" in case and not case["candidate_valid"][p, j]:
                    continue
                if "anchor_group" in case and case["anchor_group"][p, i] == case["candidate_group"][p, j]:
                    continue
                count[p, i, j] += 1
    return count


@pytest.mark.parametrize("name", CASES)
def test_matches_dense_cross_entropy_and_its_gradient(name: str) -> None:
    case = CASES[name]
    anchors, candidates, positive = make()
    negative = negatives_of(case, positive)
    weight = case.get("anchor_weight", torch.ones(P, N)).double() * (negative.sum(-1) > 0)
    if "candidate_valid" in case:
        weight = weight * case["candidate_valid"].gather(1, positive)
    expected = dense(anchors, candidates, positive, negative, case.get("scale", 1.0))
    mean = (expected * weight).sum() / weight.sum()
    result = info_nce(anchors, candidates, positive, **case)
    torch.testing.assert_close(result.loss, mean)
    torch.testing.assert_close(result.per_anchor.loss, expected.detach() * (weight > 0))
    assert torch.equal(result.per_anchor.num_candidates, negative.sum(-1) + 1)
    log_n = ((negative.sum(-1) + 1).double().log() * weight).sum() / weight.sum()
    torch.testing.assert_close(result.log_n, log_n)
    torch.testing.assert_close(result.bound, log_n - mean.detach())
    for got, want in zip(
        torch.autograd.grad(2 * result.loss, [anchors, candidates]),
        torch.autograd.grad(2 * mean, [anchors, candidates]),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("estimator", ["infonce", "mine"])
@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name: str, estimator: str) -> None:
    anchors, candidates, positive = make(1)
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    options = CASES[name] | {"estimator": estimator, "max_block": 20}
    options.pop("scale", None)

    def loss(a: Tensor, z: Tensor, s: Tensor) -> Tensor:
        return info_nce(a, z, positive, **options, scale=s).loss

    assert torch.autograd.gradcheck(loss, (anchors, candidates, scale))


def test_mine_averages_the_negatives_alone() -> None:
    anchors, candidates, positive = make()
    score = torch.einsum("pnd,pmd->pnm", anchors, candidates)
    own = score.gather(-1, positive[..., None])
    others = score.masked_fill(F.one_hot(positive, M).bool(), -torch.inf)
    expected = (others.logsumexp(-1) - math.log(M - 1) - own.squeeze(-1)).mean()
    result = info_nce(anchors, candidates, positive, estimator="mine")
    torch.testing.assert_close(result.loss, expected)
    torch.testing.assert_close(result.bound, -expected.detach())


@pytest.mark.parametrize("m", [2, 16, 100])
def test_equal_logits_give_log_n_and_no_accuracy(m: int) -> None:
    """Fixture 1: a collapsed model must not look perfect, whichever index the positive has."""
    anchors = torch.zeros(1, 4, D, requires_grad=True)
    scale = torch.tensor(3.0, requires_grad=True)
    result = info_nce(anchors, torch.randn(1, m, D), torch.tensor([[0, 1, 0, m - 1]]), scale=scale)
    result.loss.backward()
    torch.testing.assert_close(result.loss.item(), math.log(m))
    assert scale.grad == 0
    assert result.accuracy == 0 and result.win_rate == 0
    assert result.bound.abs() < 1e-6


@pytest.mark.parametrize("width", [3, 64, 256])
def test_collapsed_vectors_tie_in_spite_of_rounding(width: int) -> None:
    vector = torch.randn(width, generator=torch.Generator().manual_seed(width)) * 3
    anchors = torch.randn(1, 200, width, generator=torch.Generator().manual_seed(1))
    candidates = vector.expand(1, 300, width)
    positive = torch.arange(200)[None]
    for negatives in (None, torch.arange(200, 300)[None]):
        result = info_nce(anchors, candidates, positive, negatives=negatives)
        assert result.accuracy == 0 and result.win_rate == 0
        torch.testing.assert_close(result.loss, result.log_n)


def test_accuracy_and_win_rate_are_strict() -> None:
    anchors = torch.tensor([[[1.0], [1.0], [-1.0]]])
    candidates = torch.tensor([[[2.0], [1.0], [2.0], [0.0]]])
    positive = torch.tensor([[0, 1, 3]])
    result = info_nce(anchors, candidates, positive)
    assert result.per_anchor.accuracy.tolist() == [[0, 0, 1]]  # the first ties with a duplicate
    torch.testing.assert_close(result.per_anchor.win_rate, torch.tensor([[2 / 3, 1 / 3, 1.0]]))
    torch.testing.assert_close(result.win_rate, torch.tensor(2 / 3))
    hidden = torch.tensor([[True, True, False, True]])  # the duplicate is gone: not a win either
    result = info_nce(anchors, candidates, positive, candidate_valid=hidden)
    assert result.per_anchor.accuracy.tolist() == [[1, 0, 1]]
    torch.testing.assert_close(result.per_anchor.win_rate, torch.tensor([[1.0, 0.5, 1.0]]))


def test_metrics_are_detached_and_loss_is_not() -> None:
    result = info_nce(*make())
    assert result.loss.requires_grad
    assert not any(x.requires_grad for x in (*result[1:5], *result.per_anchor))
    with torch.no_grad():
        assert not info_nce(*make()).loss.requires_grad


@pytest.mark.parametrize("estimator", ["infonce", "mine"])
def test_anchors_without_positive_or_negative_weigh_nothing(estimator: str) -> None:
    anchors, candidates, positive = make()
    valid = torch.zeros(P, M, dtype=torch.bool)
    valid[0, 2] = True  # pool 0: one valid candidate, so no negative; pool 1: none at all
    positive = torch.full_like(positive, 2)
    result = info_nce(anchors, candidates, positive, candidate_valid=valid, estimator=estimator)
    assert result.loss == 0 and not result.per_anchor.weight.any() and not result.per_anchor.accuracy.any()
    assert all(torch.isfinite(x) and x == 0 for x in result[:5])
    for grad in torch.autograd.grad(result.loss, [anchors, candidates]):
        assert (grad == 0).all()


def test_unused_rows_are_not_read() -> None:
    anchors, candidates, positive = make()
    weight, valid = torch.ones(P, N), torch.ones(P, M, dtype=torch.bool)
    weight[0, 1] = 0
    valid[1, 3] = False
    expected = info_nce(anchors, candidates, positive, anchor_weight=weight, candidate_valid=valid)
    bad_a, bad_z = anchors.detach().clone(), candidates.detach().clone()
    bad_a[0, 1] = torch.nan
    bad_z[1, 3] = torch.inf
    bad_a.requires_grad_(), bad_z.requires_grad_()
    got = info_nce(bad_a, bad_z, positive, anchor_weight=weight, candidate_valid=valid)
    assert torch.equal(got.loss, expected.loss)
    for grad in torch.autograd.grad(got.loss, [bad_a, bad_z]):
        assert torch.isfinite(grad).all()


def test_invariances() -> None:
    """Fixture 6: row permutation, a term common to an anchor's logits, a masked candidate, a duplicate positive."""
    anchors, candidates, positive = make()
    base = info_nce(anchors, candidates, positive)

    order = torch.randperm(N)
    permuted = info_nce(anchors[:, order], candidates, positive[:, order])
    torch.testing.assert_close(permuted.per_anchor.loss, base.per_anchor.loss[:, order])

    h = torch.randn(P, N, 1, dtype=torch.float64)  # an extra dimension adds h(c) to every score of an anchor
    shifted = info_nce(torch.cat([anchors, h], -1), F.pad(candidates, (0, 1), value=1.0), positive)
    torch.testing.assert_close(shifted.per_anchor.loss, base.per_anchor.loss)

    more = torch.cat([candidates, 100 * torch.ones(P, 1, D, dtype=torch.float64)], 1)
    valid = torch.ones(P, M + 1, dtype=torch.bool)
    valid[:, -1] = False
    masked = info_nce(anchors, more, positive, candidate_valid=valid)
    for got, want in zip((*masked[:5], *masked.per_anchor), (*base[:5], *base.per_anchor), strict=True):
        torch.testing.assert_close(got, want)

    copy = torch.cat([candidates, candidates[:, :1]], 1)
    twice = info_nce(anchors, copy, torch.zeros_like(positive)).per_anchor.loss
    torch.testing.assert_close(
        twice, (info_nce(anchors, candidates, torch.zeros_like(positive)).per_anchor.loss.exp() + 1).log()
    )


def test_pools_are_independent_and_layout_does_not_matter() -> None:
    anchors, candidates, positive = make()
    both = info_nce(anchors, candidates, positive)
    for p in range(P):
        one = info_nce(anchors[p : p + 1], candidates[p : p + 1], positive[p : p + 1])
        torch.testing.assert_close(one.per_anchor.loss[0], both.per_anchor.loss[p])
    a, z = (x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_() for x in (anchors, candidates))
    got = torch.autograd.grad(info_nce(a, z, positive).loss, [a, z])
    want = torch.autograd.grad(both.loss, [anchors, candidates])
    for x, y in zip(got, want, strict=True):
        torch.testing.assert_close(x, y)


def test_second_derivative_is_refused() -> None:
    anchors, candidates, positive = make()
    loss = info_nce(anchors, candidates, positive).loss
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(loss, anchors, create_graph=True)


def test_duplicate_rate() -> None:
    x = torch.tensor([[[1.0, 2], [1, 2]], [[3, 4], [1, 2.5]], [[3, 4], [3, 4]]])
    torch.testing.assert_close(duplicate_rate(x), torch.tensor(5 / 6))
    assert duplicate_rate(torch.randn(50, 3)) == 0


def call(**changes: object) -> InfoNCE:
    anchors, candidates, positive = make()
    return info_nce(**({"anchors": anchors, "candidates": candidates, "positive": positive} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anchors": torch.randn(3, 4)}, r"must be \[P, n, d\] and \[P, m, d\]"),
        ({"candidates": torch.randn(P, M, D + 1)}, r"candidates has shape \[2, 7, 4\], expected \[2, 7, 3\]"),
        ({"positive": torch.full((P, N), M)}, r"positive holds 7\.\.7, allowed are 0\.\.6"),
        ({"negatives": torch.full((P, 2), -1)}, r"negatives holds -1\.\.-1"),
        ({"negatives": torch.zeros(3, 2, dtype=torch.long)}, r"negatives has shape \[3, 2\]"),
        ({"anchor_group": torch.zeros(P, N)}, "belong together"),
        ({"anchor_weight": torch.ones(P, N + 1)}, "anchor_weight has shape"),
        ({"candidate_valid": torch.ones(P, N, dtype=torch.bool)}, "candidate_valid has shape"),
        ({"estimator": "nwj"}, "'nwj', allowed are infonce, mine"),
        ({"max_block": 0}, "max_block is 0"),
        ({"allow_positive_as_negative": True}, "sampled negatives"),
    ],
)
def test_errors_name_the_value(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(**changes)
