"""Row-blocked contrastive maths behind `cpc_rl.infonce`: losses, metrics and gradients without the full logit matrix.

Logits are formed for a block of anchors at a time and reduced at once. The gradient of the weighted sum of losses is
formed in the same pass, while the block is at hand, so nothing of the size of the logits outlives its block and no
logit is computed twice. Nothing here is recorded by autograd; `KnownGradient` hands the result over to it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Estimator = Literal["infonce", "mine"]


class Roles(NamedTuple):
    """What the m candidates of each of P pools are to its n anchors: the positive, and what may be a negative."""

    size: int  # m
    positive: Tensor  # [P, n], index into m
    negatives: Tensor | None = None  # [P, M], indices into m shared by all anchors of a pool; None: all m
    valid: Tensor | None = None  # [P, m], false: never a negative
    anchor_group: Tensor | None = None  # [P, n]
    candidate_group: Tensor | None = None  # [P, m]; a candidate of the anchor's group is none of its negatives
    keep_positive: bool = False  # a sampled copy of the positive stays a negative

    @property
    def width(self) -> int:
        """M, how many columns an anchor is scored in."""
        return self.size if self.negatives is None else self.negatives.shape[1]

    def excluded(self, block: slice) -> Tensor:
        """Which of the M columns are no negatives of the anchors in `block`, bool [P, block, M]."""
        every = torch.arange(self.size, device=self.positive.device)[None]
        index = every if self.negatives is None else self.negatives
        mask = self.positive[:, block, None] == index[:, None]  # [P, block, M]
        if self.keep_positive:
            mask = torch.zeros_like(mask)
        if self.anchor_group is not None and self.candidate_group is not None:
            mask |= self.anchor_group[:, block, None] == self._listed(self.candidate_group)[:, None]
        if self.valid is not None:
            mask |= ~self._listed(self.valid)[:, None]
        return mask

    def exclude(self, score: Tensor, block: slice) -> None:
        """Set the scores [P, block, M] of what is `excluded` to -inf."""
        if self.negatives is None and self.valid is None and self.anchor_group is None:  # the positive alone: no mask
            score.scatter_(2, self.positive[:, block, None], -torch.inf)
        else:
            score.masked_fill_(self.excluded(block), -torch.inf)

    def count_negatives(self) -> Tensor:
        """How many negatives each anchor has, long [P, n]; without forming a mask of anchors times columns."""
        usable = self.positive.new_ones(len(self.positive), self.size) if self.valid is None else self.valid.long()
        times = usable  # [P, m], how often each candidate stands in a column as a negative
        if self.negatives is not None:
            times = torch.zeros_like(usable).scatter_add_(1, self.negatives, usable.gather(1, self.negatives))
        count = times.sum(-1, keepdim=True).expand_as(self.positive)  # [P, n]
        copies = times.gather(1, self.positive)  # [P, n], of the positive itself
        if self.keep_positive:
            copies = torch.zeros_like(copies)
        if self.anchor_group is not None and self.candidate_group is not None:
            # Columns of the anchor's own group: a difference of running sums over candidates sorted by their group.
            ordered, order = self.candidate_group.sort(-1)  # [P, m] each
            sums = torch.nn.functional.pad(times.gather(1, order).cumsum(-1), (1, 0))  # [P, m + 1]
            anchor_group = self.anchor_group.contiguous()
            first, last = (torch.searchsorted(ordered, anchor_group, right=right) for right in (False, True))
            own = sums.gather(1, last) - sums.gather(1, first)  # [P, n]
            stranger = self.candidate_group.gather(1, self.positive) != self.anchor_group
            copies = own + copies * stranger
        return count - copies

    def _listed(self, field: Tensor) -> Tensor:
        """A field of the candidates [P, m] at the M columns they are scored in, [P, M]."""
        return field if self.negatives is None else field.gather(1, self.negatives)


class Scores(NamedTuple):
    """What is known of each anchor, all [P, n]; of no meaning where it has no negative."""

    loss: Tensor
    accuracy: Tensor  # 1 where the positive beats every negative strictly, else 0
    win_rate: Tensor  # share of the negatives that the positive beats strictly


def rows(x: Tensor, index: Tensor) -> Tensor:
    """Row `index[p, i]` of pool p of `x` [P, m, d], as [P, i, d]: whole rows are copied, unlike `gather`."""
    return x.flatten(0, 1).index_select(0, _flat(index, x.shape[1])).view(*index.shape, -1)


def _flat(index: Tensor, m: int) -> Tensor:
    """Indices into m rows of each of P pools as indices into the P * m rows of all of them."""
    pools = torch.arange(index.shape[0], device=index.device)[:, None]
    return (index + pools * m).flatten()  # [P * i]


def _blocks(roles: Roles, max_block: int) -> Iterator[slice]:
    """Cut the n anchors so that P x rows x M logits stay within `max_block` (one row at least)."""
    n = roles.positive.shape[1]
    height = max(1, max_block // max(1, roles.positive.shape[0] * roles.width))
    return (slice(start, min(start + height, n)) for start in range(0, n, height))


def contrast(
    anchors: Tensor,
    candidates: Tensor,
    roles: Roles,
    count: Tensor,
    weight: Tensor,
    estimator: Estimator,
    max_block: int,
    grad_candidates: Tensor | None,
) -> tuple[Scores, Tensor | None]:
    """Score every anchor against its positive and negatives, and differentiate the weighted sum of the losses.

    Args:
        anchors: predictions, already scaled, [P, n, d].
        candidates: [P, m, d].
        roles: of the candidates.
        count: `roles.count_negatives()`, in floating point.
        weight: [P, n]; 0 where there is no negative.
        estimator: "infonce" keeps the positive in the denominator, "mine" averages the negatives alone.
        max_block: most logits to hold at once.
        grad_candidates: [P, m, d]; the gradient by the candidates is added to it. None: no gradient is formed.

    Returns:
        The scores, and the gradient by the anchors [P, n, d] (None where none is formed).
    """
    negative = candidates if roles.negatives is None else rows(candidates, roles.negatives)  # [P, M, d]
    out = Scores(*(torch.empty_like(weight) for _ in Scores._fields))
    grad = None if grad_candidates is None else torch.empty_like(anchors)
    grad_negative = grad_candidates  # [P, M, d]
    if grad_candidates is not None and roles.negatives is not None:
        grad_negative = torch.zeros_like(negative)
    for block in _blocks(roles, max_block):
        a, index = anchors[:, block], roles.positive[:, block]
        target = rows(candidates, index)  # [P, block, d]
        score = a @ negative.transpose(1, 2)  # [P, block, M]
        roles.exclude(score, block)  # after the scale: 0 * inf would poison its gradient
        part, pull, total = _block(a, target, score, count[:, block, None], estimator)
        for whole, piece in zip(out, part, strict=True):
            whole[:, block] = piece
        if grad is not None and grad_candidates is not None and grad_negative is not None:
            pull *= weight[:, block, None]  # [P, block, 1], minus the derivative by the positive's score
            push = score.mul_(pull / total)  # [P, block, M], the derivative by the negatives' scores
            torch.bmm(push, negative, out=grad[:, block]).addcmul_(target, pull, value=-1)
            grad_negative.baddbmm_(push.transpose(1, 2), a)
            _scatter(grad_candidates, index, target.copy_(a).mul_(pull), alpha=-1)
    if grad_candidates is not None and grad_negative is not None and roles.negatives is not None:
        _scatter(grad_candidates, roles.negatives, grad_negative)
    return out, grad


def _block(
    a: Tensor, target: Tensor, score: Tensor, count: Tensor, estimator: Estimator
) -> tuple[Scores, Tensor, Tensor]:
    """One block of anchors, given the scores of its negatives, which are exponentiated in place.

    The derivative of the loss by the positive's score is -pull, that by the negatives' is pull * score / total.
    """
    product = a * target  # [P, block, d]
    positive = product.sum(-1, keepdim=True)  # [P, block, 1]
    # The positive is scored by a row-wise product and the negatives by a matrix product, which round differently: a
    # tie (a duplicate latent, a collapsed encoder) must stay a tie and not be won by rounding.
    bar = positive - 16 * torch.finfo(a.dtype).eps * product.abs_().sum(-1, keepdim=True)  # [P, block, 1]
    # Compared into floating point, several times faster on a CPU than into bool. Excluded columns lose: not counted.
    wins = torch.lt(score, bar, out=torch.empty_like(score)).sum(-1, keepdim=True) - (score.shape[-1] - count)
    peak = score.amax(-1, keepdim=True)  # [P, block, 1]
    peak.masked_fill_(peak == -torch.inf, 0.0)  # no negative at all: exp(-inf - 0) = 0, not NaN
    total = score.sub_(peak).exp_().sum(-1, keepdim=True)  # [P, block, 1]
    # Log-sum-exp of the negatives minus the positive's score; large scores cancel before the small term is added.
    gap = (peak - positive) + total.log()  # [P, block, 1]
    some = count.clamp(min=1.0)
    if estimator == "mine":
        loss, pull = (gap - some.log()).masked_fill_(count == 0, 0.0), torch.ones_like(gap)
    else:
        loss, pull = torch.logaddexp(gap, torch.zeros_like(gap)), gap.sigmoid()  # a softplus: never below 0
    scores = Scores(*(x.squeeze(-1) for x in (loss, wins == count, wins / some)))
    return scores, pull, total.clamp(min=1.0)  # total >= 1 wherever there is a negative


def _scatter(total: Tensor, index: Tensor, x: Tensor, alpha: float = 1.0) -> None:
    """Add row i of pool p of `x` [P, i, d], times alpha, to row `index[p, i]` of pool p of `total` [P, m, d]."""
    total.flatten(0, 1).index_add_(0, _flat(index, total.shape[1]), x.flatten(0, 1), alpha=alpha)


class KnownGradient(torch.autograd.Function):
    """A scalar whose gradient by `inputs` was formed along with it; backward only scales it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor], *inputs: Tensor) -> Tensor:
        """Keep the gradients and pass the value on."""
        ctx.save_for_backward(*gradients)
        ctx.dtypes = [x.dtype for x in inputs]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the kept gradients."""
        if torch.is_grad_enabled():
            raise RuntimeError("InfoNCE forms its gradient while going forward: no second derivative (create_graph)")
        grads = ((grad_output * g).to(t) for g, t in zip(ctx.saved_tensors, ctx.dtypes, strict=True))
        return None, None, *grads
