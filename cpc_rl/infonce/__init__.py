"""InfoNCE, the one contrastive loss of this library (van den Oord et al. 2018, section 2.3).

`info_nce` scores anchors against pools of candidates and knows nothing else; `cpc_loss` builds its pairs from two
sequences, a context at step t against the latent at step t + k. Both work in float32 (float64 stays float64) whatever
autocast says, hold at most `max_block` logits at a time, and form their gradient in the forward pass: peak memory
depends neither on the number of offsets nor on the number of anchors times candidates, and a second derivative is not
available. Gradients reach contexts, latents, heads and scale alike.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cpc_rl.infonce.blocks import Estimator, KnownGradient, Pools, Scores, contrast, count_negatives
from cpc_rl.infonce.checks import check_core, check_options, check_pairs, check_pool, expect
from cpc_rl.infonce.pairs import Pairs, Pool, Window, fold, unfold

__all__ = ["CPC", "InfoNCE", "PerAnchor", "PerOffset", "cpc_loss", "duplicate_rate", "info_nce", "linear_heads"]

_CHUNK = 1024  # anchors scored at once: enough to drown the cost of small operations, few enough to bound memory


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


class PerOffset(NamedTuple):
    """Means over the pairs of each offset, all [K] and detached; zero where an offset has no pair."""

    loss: Tensor
    accuracy: Tensor
    win_rate: Tensor
    bound: Tensor
    log_n: Tensor
    pairs: Tensor  # how many pairs counted


class CPC(NamedTuple):
    """`loss` is the mean of `per_offset.loss` and carries the gradient."""

    loss: Tensor
    per_offset: PerOffset


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
    expect("candidate_valid", candidate_valid, *candidates.shape[:2])
    check_options(estimator, max_block)
    if allow_positive_as_negative and negatives is None:
        raise ValueError("allow_positive_as_negative is about sampled negatives: give negatives, or leave it False")
    differentiate = torch.is_grad_enabled()
    with torch.no_grad(), torch.autocast(anchors.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(anchors.dtype, candidates.dtype), torch.float32)
        z = _masked(candidates.to(dtype), candidate_valid).contiguous()
        a = _masked(anchors.to(dtype), None if anchor_weight is None else anchor_weight != 0)
        weight = a.new_ones(positive.shape) if anchor_weight is None else anchor_weight.to(dtype)  # [P, n]
        if candidate_valid is not None:
            weight = weight * candidate_valid.gather(1, positive)
        roles = (negatives, candidate_valid, anchor_group, candidate_group, allow_positive_as_negative)
        pools = Pools(z, positive, *roles)
        count = count_negatives(pools, max_block)  # [P, n]
        weight = weight * (count > 0)
        total = weight.sum()
        share = weight / total.where(total > 0, 1.0)  # sums to 1, or to 0 if no anchor counts
        grad_z = torch.zeros_like(z) if differentiate else None
        scores, grad_a, grad_scale = _score(a, pools, count, share, scale, estimator, max_block, grad_z)
        loss, accuracy, win_rate, bound, log_n = ((x * share).sum() for x in _columns(scores, count, estimator))
        row_loss, hit, rate = (x * (weight > 0) for x in scores)
        per_anchor = PerAnchor(row_loss, hit, rate, count + 1, weight)
    loss = _connect(loss, [anchors, candidates, scale], [grad_a, grad_z, grad_scale])
    return InfoNCE(loss, accuracy, win_rate, bound, log_n, per_anchor)


def cpc_loss(
    context: Tensor,
    latent: Tensor,
    heads: Sequence[nn.Module] | nn.ModuleList,
    offsets: Sequence[int],
    *,
    segment: Tensor | None = None,
    valid: Tensor | None = None,
    group: Tensor | None = None,
    pool: Pool = "batch",
    exclude_own: bool = False,
    num_negatives: int | None = None,
    generator: torch.Generator | None = None,
    resample_per_offset: bool = False,
    targets_only: bool = False,
    anchor_steps: Tensor | None = None,
    scale: float | Tensor = 1.0,
    estimator: Estimator = "infonce",
    max_block: int = 2**24,
) -> CPC:
    """Contrastive predictive coding: head k maps the context at step t to a prediction of the latent at t + offset k.

    The loss is the mean over the valid pairs of each offset, then the mean over offsets. A pair is valid if both its
    steps are and lie in one segment; latents of other segments still serve as negatives.

    Args:
        context: [B, T, Dc], B sequences of T steps.
        latent: [B, T, Dz].
        heads: one module per offset, mapping [..., Dc] to [..., Dz]; see `linear_heads`. Each is called once, and only
            its own parameters and the context get a gradient through it.
        offsets: steps ahead, each in 1..T-1.
        segment: long [B, T], equal within a stretch (an episode, a document). None: each sequence is one stretch.
        valid: bool [B, T]; an invalid step is neither anchor, positive nor negative. None: all are valid.
        group: long [B], the source of each sequence, for `exclude_own`. None: each sequence is its own.
        pool: where negatives come from: "batch", every valid latent; "sequence", those of the anchor's sequence;
            "time", those at the step of the positive.
        exclude_own: leave out negatives of the anchor's own group.
        num_negatives: sample this many, with replacement, from each pool instead of using all of it; all anchors of a
            pool share them, and one draw serves all offsets.
        generator: of the draw; None: the global one.
        resample_per_offset: draw anew for each offset.
        targets_only: restrict the pool to latents that are the positive of some anchor of the same offset.
        anchor_steps: long [S] in 0..T-1, use the contexts of these steps only. If every step is equally likely to be
            drawn, expected loss and gradient are those of all steps: each offset is weighted by its share of pairs in
            the draw against that in all steps (accuracy, win rate and bound are plain means over the draw).
        scale: see `info_nce`.
        estimator: see `info_nce`.
        max_block: see `info_nce`.

    Raises:
        ValueError: an offset that does not fit T, a number of heads other than that of offsets, unknown names, shapes
            that do not fit.
    """
    check_options(estimator, max_block)
    check_pool(pool, exclude_own, num_negatives)
    check_pairs(context, latent, heads, offsets, anchor_steps)
    batch, time, device = *latent.shape[:2], latent.device
    expect("segment", segment, batch, time)
    expect("valid", valid, batch, time)
    expect("group", group, batch)
    differentiate = torch.is_grad_enabled()
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        own = torch.arange(batch, device=device) if group is None else group
        ok, same = (None if x is None else x.t() for x in (valid, segment))  # [T, B]
        window = Window(pool, time, batch, ok, same, own if exclude_own else None, targets_only)
        # Which pairs there are is found out where the steps lie: on the CPU, a GPU need not be waited for.
        steps = torch.arange(time) if anchor_steps is None else anchor_steps.sort().values  # [S]
        here = steps.to(device)
        c = _masked(context, valid).transpose(0, 1)  # [T, B, Dc]
        c = c if anchor_steps is None else c[here]  # [S, B, Dc]
        z = fold(_masked(_full(latent), valid).transpose(0, 1), pool).contiguous()  # [P, m, Dz]
        tape = _Tape(c, z, heads) if differentiate else None
        pairs = window.pairs(steps, offsets, z)
        work = _Work(window, pairs, heads, c, z, scale, estimator, max_block, tape)
        columns, uniform = [], None
        for ks, rows in pairs.chunks(1 if resample_per_offset or targets_only else _CHUNK // batch):
            if num_negatives is not None and (uniform is None or resample_per_offset):
                uniform = window.draw(num_negatives, generator, device)  # [P, M]
            columns.append(work.chunk(ks, rows, uniform))
        loss_k, accuracy, win_rate, bound, log_n, number = torch.cat(columns, dim=1)  # [6, K]
        loss_k = loss_k * pairs.share
        per_offset = PerOffset(loss_k, accuracy, win_rate, bound, log_n, number.long())
        loss = loss_k.mean()
        if tape is None:
            return CPC(loss, per_offset)
        grad_c = tape.context
        if anchor_steps is not None:
            grad_c = grad_c.new_zeros(time, *grad_c.shape[1:]).index_add_(0, here, grad_c)  # [T, B, Dc]
        grad_z = unfold(tape.latent, pool, batch).transpose(0, 1)  # [B, T, Dz]
    inputs = [context, latent, scale, *tape.parameters]
    gradients = [grad_c.transpose(0, 1), grad_z, tape.scale, *tape.parameters.values()]
    return CPC(_connect(loss, inputs, gradients), per_offset)


def linear_heads(
    context_dim: int, latent_dim: int, count: int, *, bias: bool = False, init_std: float = 0.01
) -> nn.ModuleList:
    """The log-bilinear W_k of CPC (equation 3): one linear map for each of `count` offsets, weights N(0, init_std^2).

    With a bias the score gains a term in the latent alone, a prior over candidates whatever the context.
    """
    heads = nn.ModuleList()
    for _ in range(count):
        head = nn.Linear(context_dim, latent_dim, bias=bias)
        nn.init.normal_(head.weight, std=init_std)
        if bias:
            nn.init.zeros_(head.bias)
        heads.append(head)
    return heads


def duplicate_rate(latent: Tensor) -> Tensor:
    """Share of the vectors of `latent` [..., d] that equal another one bit for bit.

    Duplicates are false negatives: a positive with D of them in its pool costs at least log(1 + D). Sorts all vectors,
    so log it now and then rather than at each update.
    """
    flat = latent.detach().flatten(0, -2)  # [n, d]
    counts: Tensor = torch.unique(flat, dim=0, return_counts=True)[1]
    return counts[counts > 1].sum() / max(1, len(flat))


class _Graph(NamedTuple):
    """What is needed to send a gradient through one head."""

    head: nn.Module
    leaf: Tensor  # the contexts, [n, B, Dc]
    prediction: Tensor  # [n, B, Dz]


def _predict(head: nn.Module, c: Tensor, latent: Tensor, differentiate: bool) -> _Graph:
    """Apply a head to contexts [n, B, Dc], in its own precision, on a graph of its own that starts at the leaf."""
    like = next(head.parameters(), _full(c[:0]))
    with torch.set_grad_enabled(differentiate):
        leaf = c.to(like.dtype).detach().requires_grad_(differentiate)
        prediction = head(leaf)
    expect("the output of a head", prediction, *c.shape[:-1], latent.shape[-1])
    return _Graph(head, leaf, prediction)


class _Tape:
    """The gradient, summed up as the offsets go by, so that the graph of none outlives its turn."""

    def __init__(self, c: Tensor, z: Tensor, heads: Iterable[nn.Module]) -> None:
        self.context = torch.zeros_like(_full(c))  # [S, B, Dc]
        self.latent = torch.zeros_like(z)  # [P, m, Dz]
        self.scale = z.new_zeros(())
        self.parameters: dict[Tensor, Tensor | None] = dict.fromkeys(_trained(*heads))

    def add(self, graphs: Sequence[_Graph], grad: Tensor, grad_scale: Tensor | None) -> None:
        """Send the gradient of the predictions of some heads, one after the other in `grad` [n, B, Dz], through."""
        if grad_scale is not None:
            self.scale += grad_scale
        for graph, g in zip(graphs, torch.split(grad, [len(graph.leaf) for graph in graphs]), strict=True):
            own = _trained(graph.head)
            first, *rest = torch.autograd.grad(
                graph.prediction, [graph.leaf, *own], g.to(graph.prediction), materialize_grads=True
            )
            self.context[: len(first)] += first
            for p, part in zip(own, rest, strict=True):
                known = self.parameters[p]  # a parameter may serve several offsets
                self.parameters[p] = part if known is None else known + part


class _Work(NamedTuple):
    """What the offsets share. What one chunk of them needs is gone when its turn is over."""

    window: Window
    pairs: Pairs
    heads: Sequence[nn.Module] | nn.ModuleList
    c: Tensor  # [S, B, Dc]
    z: Tensor  # [P, m, Dz]
    scale: float | Tensor
    estimator: Estimator
    max_block: int
    tape: _Tape | None

    def chunk(self, ks: range, rows: slice, uniform: Tensor | None) -> Tensor:
        """Loss, accuracy, win rate, bound, log N and number of pairs of the offsets `ks`, [6, len(ks)]."""
        pool, batch, pairs, tape = self.window.pool, self.window.batch, self.pairs, self.tape
        graphs = [_predict(self.heads[k], self.c[: pairs.sizes[k]], self.z, tape is not None) for k in ks]
        a = fold(torch.cat([graph.prediction.to(self.z) for graph in graphs]), pool)  # [P, n, Dz]
        target, pair, place = pairs.target[rows], pairs.valid[rows], pairs.offset[rows] - ks.start
        pools = self.window.pools(self.z, target, pair, uniform)
        count = count_negatives(pools, self.max_block)  # [P, n]
        pair = pair & (unfold(count, pool, batch) > 0)  # [n, B]
        number = a.new_zeros(len(ks)).index_add_(0, place, pair.sum(1).to(a))
        share = pair / number.clamp(min=1)[place, None]  # [n, B], sums to 1 for each offset, or to 0
        weight = fold(share * pairs.share[ks.start : ks.stop][place, None] / len(self.heads), pool)  # [P, n]
        grad_z = None if tape is None else tape.latent if pool != "time" else torch.zeros_like(pools.candidates)
        scores, grad_a, grad_scale = _score(a, pools, count, weight, self.scale, self.estimator, self.max_block, grad_z)
        if tape is not None and grad_a is not None and grad_z is not None:
            tape.add(graphs, unfold(grad_a, pool, batch), grad_scale)
            if pool == "time":
                tape.latent.index_add_(0, target, grad_z)
        columns = torch.stack([unfold(x, pool, batch) for x in _columns(scores, count, self.estimator)])  # [5, n, B]
        means = a.new_zeros(5, len(ks)).index_add_(1, place, (columns * share).sum(-1))
        return torch.cat([means, number[None]])


def _trained(*heads: nn.Module) -> list[nn.Parameter]:
    return [p for head in heads for p in head.parameters() if p.requires_grad]


def _score(
    anchors: Tensor,
    pools: Pools,
    count: Tensor,
    weight: Tensor,
    scale: float | Tensor,
    estimator: Estimator,
    max_block: int,
    grad_candidates: Tensor | None,
) -> tuple[Scores, Tensor | None, Tensor | None]:
    """`contrast` of anchors still to be scaled; also the gradient by anchors and scale."""
    s = _full(scale) if isinstance(scale, Tensor) else scale
    unit = not isinstance(scale, Tensor) and scale == 1.0
    scaled = anchors if unit else anchors * s
    scores, grad = contrast(scaled, pools, count.to(anchors), weight, estimator, max_block, grad_candidates)
    grad_scale = torch.sum(grad * anchors) if grad is not None and isinstance(s, Tensor) else None
    return scores, grad if grad is None or unit else grad * s, grad_scale


def _columns(scores: Scores, count: Tensor, estimator: Estimator) -> list[Tensor]:
    """Loss, accuracy, win rate, bound and log N of each anchor, [P, n]."""
    log_n = (count + 1).to(scores.loss).log()
    bound = (log_n if estimator == "infonce" else 0.0) - scores.loss
    return [scores.loss, scores.accuracy, scores.win_rate, bound, log_n]


def _connect(loss: Tensor, inputs: Iterable[float | Tensor], gradients: Iterable[Tensor | None]) -> Tensor:
    """Hand a loss with its known gradient over to autograd."""
    if not torch.is_grad_enabled():
        return loss
    wanted = [(x, g) for x, g in zip(inputs, gradients, strict=True) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        return loss
    shaped = [torch.zeros_like(x) if g is None else g.reshape(x.shape) for x, g in wanted]
    connected: Tensor = KnownGradient.apply(loss, shaped, *(x for x, _ in wanted))
    return connected


def _full(x: Tensor) -> Tensor:
    """At least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _masked(x: Tensor, valid: Tensor | None) -> Tensor:
    """Zero what must not be read: a NaN in the padding would survive a weight of zero."""
    return x if valid is None else x.masked_fill(~valid.unsqueeze(-1), 0.0)
