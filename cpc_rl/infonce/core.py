"""`info_nce`: anchors against pools of candidates, whatever they are."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from cpc_rl.infonce.blocks import Estimator, KnownGradient, Roles, Scores, contrast
from cpc_rl.infonce.checks import check_core, check_options, expect, expect_mask


class PerAnchor(NamedTuple):
    """What `info_nce` knows of each anchor, all [P, n] and detached; zero where `weight` is zero."""

    loss: Tensor
    accuracy: Tensor  # 1 where the positive beats every negative strictly, else 0
    win_rate: Tensor  # share of the negatives that the positive beats strictly
    num_candidates: Tensor  # N: the positive and its negatives
    weight: Tensor  # as given, but 0 without a valid positive or without a negative


class InfoNCE(NamedTuple):
    """Weighted means over anchors (0 if none counts). Only `loss` carries a gradient."""

    loss: Tensor
    accuracy: Tensor
    win_rate: Tensor
    bound: Tensor  # mean of log N - L, in nats: a lower bound on the mutual information ("mine": its estimate -L)
    log_n: Tensor  # mean of log N: what the loss is when nothing has been learnt ("mine": 0)
    per_anchor: PerAnchor


def info_nce(
    anchors: Tensor,
    candidates: Tensor,
    positive: Tensor,
    *,
    anchor_weight: Tensor | None = None,
    candidate_valid: Tensor | None = None,
    anchor_group: Tensor | None = None,
    candidate_group: Tensor | None = None,
    negatives: Tensor | None = None,
    allow_positive_as_negative: bool = False,
    scale: float | Tensor = 1.0,
    estimator: Estimator = "infonce",
    max_block: int = 2**24,
) -> InfoNCE:
    """Cross-entropy, in nats, of telling each anchor's positive from the negatives of its pool by dot product.

    Args:
        anchors: predictions [P, n, d]: n anchors in each of P independent pools.
        candidates: [P, m, d].
        positive: long [P, n], which candidate is the anchor's positive. It is always in the denominator, whatever
            its group.
        anchor_weight: [P, n], non-negative, not differentiated.
        candidate_valid: bool [P, m]; an invalid candidate is no negative, and an anchor whose positive is invalid
            has weight 0.
        anchor_group: long [P, n], given together with `candidate_group` [P, m]: candidates of the anchor's own group
            are none of its negatives.
        candidate_group: see `anchor_group`.
        negatives: long [P, M], sampled candidates shared by the anchors of a pool; repeats count. None: all.
        allow_positive_as_negative: count a sampled copy of the positive as a negative instead of dropping it.
        scale: factor of every score, a number or a scalar tensor (which may be learnt).
        estimator: "infonce", or "mine", which leaves the positive out of the denominator and averages the negatives
            (appendix A.1; unstable where the target is easy).
        max_block: most logits to hold at a time.

    Raises:
        ValueError: shapes that do not fit, an index out of range, an unknown estimator.
    """
    check_core(anchors, candidates, positive, negatives, anchor_group, candidate_group)
    expect("anchor_weight", anchor_weight, *positive.shape)
    expect_mask("candidate_valid", candidate_valid, *candidates.shape[:2])
    check_options(estimator, max_block)
    if allow_positive_as_negative and negatives is None:
        raise ValueError("allow_positive_as_negative is about sampled negatives: give negatives, or leave it False")
    groups = (anchor_group, candidate_group, allow_positive_as_negative)
    roles = Roles(candidates.shape[1], positive, negatives, candidate_valid, *groups)
    return score_roles(anchors, candidates, roles, anchor_weight, scale, estimator, max_block)


def score_roles(
    anchors: Tensor,
    candidates: Tensor,
    roles: Roles,
    anchor_weight: Tensor | None,
    scale: float | Tensor,
    estimator: Estimator,
    max_block: int,
) -> InfoNCE:
    """`info_nce` of arguments that are known to be right, so that nothing waits for a GPU to check them."""
    positive, candidate_valid = roles.positive, roles.valid
    differentiate = torch.is_grad_enabled()
    with torch.no_grad(), torch.autocast(anchors.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(anchors.dtype, candidates.dtype), torch.float32)
        z = masked(candidates.to(dtype), candidate_valid).contiguous()
        a = masked(anchors.to(dtype), None if anchor_weight is None else anchor_weight != 0)
        weight = a.new_ones(positive.shape) if anchor_weight is None else anchor_weight.to(dtype)  # [P, n]
        if candidate_valid is not None:
            weight = weight * candidate_valid.gather(1, positive)
        count = roles.count_negatives()  # [P, n]
        weight = weight * (count > 0)
        total = weight.sum()
        share = weight / total.where(total > 0, 1.0)  # sums to 1, or to 0 if no anchor counts
        grad_z = torch.zeros_like(z) if differentiate else None
        scores, grad_a, grad_scale = score(a, z, roles, count, share, scale, estimator, max_block, grad_z)
        loss, accuracy, win_rate, bound, log_n = ((x * share).sum() for x in columns(scores, count, estimator))
        row_loss, hit, rate = (x * (weight > 0) for x in scores)
        per_anchor = PerAnchor(row_loss, hit, rate, count + 1, weight)
    loss = connect(loss, [anchors, candidates, scale], [grad_a, grad_z, grad_scale])
    return InfoNCE(loss, accuracy, win_rate, bound, log_n, per_anchor)


def duplicate_rate(latent: Tensor) -> Tensor:
    """Share of the vectors of `latent` [..., d] that equal another one bit for bit.

    Duplicates are false negatives: a positive with D of them in its pool costs at least log(1 + D). Sorts all vectors,
    so log it now and then rather than at each update.
    """
    flat = latent.detach().flatten(0, -2)  # [n, d]
    counts: Tensor = torch.unique(flat, dim=0, return_counts=True)[1]
    return counts[counts > 1].sum() / max(1, len(flat))


def score(
    anchors: Tensor,
    candidates: Tensor,
    roles: Roles,
    count: Tensor,
    weight: Tensor,
    scale: float | Tensor,
    estimator: Estimator,
    max_block: int,
    grad_candidates: Tensor | None,
) -> tuple[Scores, Tensor | None, Tensor | None]:
    """`contrast` of anchors still to be scaled; also the gradient by anchors and scale."""
    s = full(scale) if isinstance(scale, Tensor) else scale
    unit = not isinstance(scale, Tensor) and scale == 1.0
    scaled = anchors if unit else anchors * s
    scores, grad = contrast(scaled, candidates, roles, count.to(anchors), weight, estimator, max_block, grad_candidates)
    grad_scale = torch.sum(grad * anchors) if grad is not None and isinstance(s, Tensor) else None
    return scores, grad if grad is None or unit else grad * s, grad_scale


def columns(scores: Scores, count: Tensor, estimator: Estimator) -> list[Tensor]:
    """Loss, accuracy, win rate, bound and log N of each anchor, [P, n]."""
    log_n = (count + 1).to(scores.loss).log()
    bound = (log_n if estimator == "infonce" else 0.0) - scores.loss
    return [scores.loss, scores.accuracy, scores.win_rate, bound, log_n]


def connect(loss: Tensor, inputs: Iterable[float | Tensor], gradients: Iterable[Tensor | None]) -> Tensor:
    """Hand a loss with its known gradient over to autograd."""
    if not torch.is_grad_enabled():
        return loss
    wanted = [(x, g) for x, g in zip(inputs, gradients, strict=True) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        return loss
    shaped = [torch.zeros_like(x) if g is None else g.reshape(x.shape) for x, g in wanted]
    connected: Tensor = KnownGradient.apply(loss, shaped, *(x for x, _ in wanted))
    return connected


def full(x: Tensor) -> Tensor:
    """At least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def masked(x: Tensor, valid: Tensor | None) -> Tensor:
    """Zero what must not be read: a NaN in the padding would survive a weight of zero."""
    return x if valid is None else x.masked_fill(~valid.unsqueeze(-1), 0.0)
