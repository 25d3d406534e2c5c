"""`cpc_loss` and `contrast_predictions`: pairs of a sequence, a context at step t against the latent at step t + k."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cpc_rl.infonce.blocks import Estimator
from cpc_rl.infonce.checks import check_options, check_pairs, check_pool, check_predictions, expect, expect_mask
from cpc_rl.infonce.core import columns, connect, full, masked, score, score_roles
from cpc_rl.infonce.pairs import Pairs, Pool, Window, fold, unfold

# Anchors scored at once: enough to drown the cost of small operations, few enough to bound memory. Elsewhere than on a
# CPU an operation costs a launch whatever its size: with 256 sequences and 30 offsets 419 of them instead of 4,276.
_CHUNK, _CHUNK_GPU = 1024, 2**16


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
        targets_only: restrict the pool to latents that are the positive of some anchor of the same offset. Not with
            `anchor_steps`, whose draw would change the pool and so the expected loss.
        anchor_steps: long [S] in 0..T-1, use the contexts of these steps only. If every step is equally likely to be
            drawn, expected loss and gradient are those of all steps: each offset is weighted by its share of pairs
            that count in the draw against that in all steps (accuracy, win rate and bound are means over the draw).
        scale: see `info_nce`.
        estimator: see `info_nce`.
        max_block: see `info_nce`.

    Raises:
        ValueError: an offset that does not fit T, a number of heads other than that of offsets, unknown names, shapes
            that do not fit, options that contradict each other.
    """
    check_options(estimator, max_block)
    check_pool(pool, exclude_own, num_negatives)
    if targets_only and anchor_steps is not None:
        raise ValueError("targets_only with anchor_steps: the pool would be that of the draw; give one of them")
    check_pairs(context, latent, heads, offsets, anchor_steps)
    batch, time, device = *latent.shape[:2], latent.device
    differentiate = torch.is_grad_enabled()
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        window = _window(latent, segment, valid, group, pool, exclude_own, targets_only)
        steps = _steps(anchor_steps, time)  # [S]
        here = steps.to(device)
        c = masked(context, valid).transpose(0, 1)  # [T, B, Dc]
        c = c if anchor_steps is None else c[here]  # [S, B, Dc]
        z = fold(masked(full(latent), valid).transpose(0, 1), pool).contiguous()  # [P, m, Dz]
        tape = _Tape(c, z, heads) if differentiate else None
        pairs = window.pairs(steps, offsets, device)
        whole = None if anchor_steps is None else window.pairs(torch.arange(time), offsets, device)
        work = _Work(window, pairs, whole, heads, c, z, scale, estimator, max_block, tape)
        parts, uniform = [], None
        most = _CHUNK if device.type == "cpu" else _CHUNK_GPU
        for ks in pairs.chunks(1 if resample_per_offset or targets_only else most // batch):
            if num_negatives is not None and (uniform is None or resample_per_offset):
                uniform = window.draw(num_negatives, generator, device)  # [P, M]
            parts.append(work.chunk(ks, uniform))
        loss_k, accuracy, win_rate, bound, log_n, number = torch.cat(parts, dim=1)  # [6, K]
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
    return CPC(connect(loss, inputs, gradients), per_offset)


def contrast_predictions(
    predictions: Sequence[Tensor],
    latent: Tensor,
    offsets: Sequence[int],
    *,
    segment: Tensor | None = None,
    valid: Tensor | None = None,
    group: Tensor | None = None,
    pool: Pool = "batch",
    exclude_own: bool = False,
    num_negatives: int | None = None,
    generator: torch.Generator | None = None,
    anchor_steps: Tensor | None = None,
    scale: float | Tensor = 1.0,
    estimator: Estimator = "infonce",
    max_block: int = 2**24,
) -> CPC:
    """`cpc_loss` of predictions that were made elsewhere, for example by a recurrent network that is told the actions.

    All predictions are held at once, so memory grows with their number. Gradients reach predictions, latents and scale.

    Args:
        predictions: for each offset k a tensor [B, n_k, Dz], what is predicted for step t + k from the n_k anchor steps
            t with t + k < T, in ascending order.
        latent: [B, T, Dz].
        offsets: steps ahead, each in 1..T-1.
        segment: see `cpc_loss`, as for all that follow.
        valid: bool [B, T].
        group: long [B].
        pool: where negatives come from.
        exclude_own: leave out negatives of the anchor's own group.
        num_negatives: sample this many from each pool.
        generator: of the draw.
        anchor_steps: long [S] in 0..T-1, sorted here; see `predictions`.
        scale: see `info_nce`.
        estimator: see `info_nce`.
        max_block: see `info_nce`.

    Raises:
        ValueError: as `cpc_loss`.
    """
    check_options(estimator, max_block)
    check_pool(pool, exclude_own, num_negatives)
    batch, time, device = *latent.shape[:2], latent.device
    steps = _steps(anchor_steps, time)
    check_predictions(predictions, latent, offsets, steps)
    window = _window(latent, segment, valid, group, pool, exclude_own)
    with torch.no_grad():
        pairs = window.pairs(steps, offsets, device)
        uniform = None if num_negatives is None else window.draw(num_negatives, generator, device)
        roles = window.roles(pairs.target, pairs.valid, uniform)
        pair = pairs.valid & (unfold(roles.count_negatives(), pool, batch) > 0)  # [R, B]
        number = full(latent.new_zeros(len(offsets)))
        number.index_add_(0, pairs.offset, pair.sum(1).to(number))
        share = pair / number.clamp(min=1)[pairs.offset, None]  # [R, B], sums to 1 for each offset, or to 0
        whole = None if anchor_steps is None else window.pairs(torch.arange(time), offsets, device)
        drawn = _drawn(window, whole, range(len(offsets)), uniform, number, len(steps))  # [K]
        weight = share * (drawn / len(offsets))[pairs.offset, None]  # [R, B]
    z = fold(latent.transpose(0, 1), pool)  # [P, m, Dz]
    z = z if pool != "time" else z[pairs.target]
    a = fold(torch.cat([prediction.transpose(0, 1) for prediction in predictions]), pool)  # [P, n, Dz]
    result = score_roles(a, z, roles, fold(weight, pool), scale, estimator, max_block)
    each = result.per_anchor
    log_n = each.num_candidates.to(each.loss).log() * (each.weight > 0)  # [P, n]
    bound = (log_n if estimator == "infonce" else 0.0) - each.loss
    parts = torch.stack([unfold(x, pool, batch) for x in (each.loss, each.accuracy, each.win_rate, bound, log_n)])
    means = share.new_zeros(5, len(offsets)).index_add_(1, pairs.offset, (parts * share).sum(-1))  # [5, K]
    means[0] *= drawn
    loss, accuracy, win_rate, mean_bound, mean_log_n = means
    per_offset = PerOffset(loss, accuracy, win_rate, mean_bound, mean_log_n, number.long())
    return CPC(result.loss * weight.sum(), per_offset)


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


class _Graph(NamedTuple):
    """What is needed to send a gradient through one head."""

    head: nn.Module
    leaf: Tensor  # the contexts, [n, B, Dc]
    prediction: Tensor  # [n, B, Dz]


def _predict(head: nn.Module, c: Tensor, latent: Tensor, differentiate: bool) -> _Graph:
    """Apply a head to contexts [n, B, Dc], in its own precision, on a graph of its own that starts at the leaf."""
    like = next(head.parameters(), full(c[:0]))
    with torch.set_grad_enabled(differentiate):
        leaf = c.to(like.dtype).detach().requires_grad_(differentiate)
        prediction = head(leaf)
    expect("the output of a head", prediction, *c.shape[:-1], latent.shape[-1])
    return _Graph(head, leaf, prediction)


class _Tape:
    """The gradient, summed up as the offsets go by, so that the graph of none outlives its turn."""

    def __init__(self, c: Tensor, z: Tensor, heads: Iterable[nn.Module]) -> None:
        self.context = torch.zeros_like(full(c))  # [S, B, Dc]
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
    whole: Pairs | None  # those of all steps, where `pairs` are of some that were drawn
    heads: Sequence[nn.Module] | nn.ModuleList
    c: Tensor  # [S, B, Dc]
    z: Tensor  # [P, m, Dz]
    scale: float | Tensor
    estimator: Estimator
    max_block: int
    tape: _Tape | None

    def chunk(self, ks: range, uniform: Tensor | None) -> Tensor:
        """Loss, accuracy, win rate, bound, log N and number of pairs of the offsets `ks`, [6, len(ks)]."""
        pool, batch, pairs, tape = self.window.pool, self.window.batch, self.pairs, self.tape
        rows = pairs.rows(ks)
        graphs = [_predict(self.heads[k], self.c[: pairs.sizes[k]], self.z, tape is not None) for k in ks]
        a = fold(torch.cat([graph.prediction.to(self.z) for graph in graphs]), pool)  # [P, n, Dz]
        target, pair, place = pairs.target[rows], pairs.valid[rows], pairs.offset[rows] - ks.start
        z = self.z if pool != "time" else self.z[target]  # [P, m, Dz]
        roles = self.window.roles(target, pair, uniform)
        count = roles.count_negatives()  # [P, n]
        pair = pair & (unfold(count, pool, batch) > 0)  # [n, B]
        number = a.new_zeros(len(ks)).index_add_(0, place, pair.sum(1).to(a))
        share = pair / number.clamp(min=1)[place, None]  # [n, B], sums to 1 for each offset, or to 0
        drawn = _drawn(self.window, self.whole, ks, uniform, number, len(self.c))  # [len(ks)]
        weight = fold(share * drawn[place, None] / len(self.heads), pool)  # [P, n]
        grad_z = None if tape is None else tape.latent if pool != "time" else torch.zeros_like(z)
        scores, grad_a, grad_scale = score(
            a, z, roles, count, weight, self.scale, self.estimator, self.max_block, grad_z
        )
        if tape is not None and grad_a is not None and grad_z is not None:
            tape.add(graphs, unfold(grad_a, pool, batch), grad_scale)
            if pool == "time":
                tape.latent.index_add_(0, target, grad_z)
        parts = torch.stack([unfold(x, pool, batch) for x in columns(scores, count, self.estimator)])  # [5, n, B]
        means = a.new_zeros(5, len(ks)).index_add_(1, place, (parts * share).sum(-1))
        means[0] *= drawn
        return torch.cat([means, number[None]])


def _drawn(
    window: Window, whole: Pairs | None, ks: range, uniform: Tensor | None, number: Tensor, steps: int
) -> Tensor:
    """Of the pairs of all steps that count, the share that was drawn, over the share of steps drawn: [len(ks)]."""
    if whole is None:
        return torch.ones_like(number)
    total = window.counted(whole, whole.rows(ks), uniform)[ks.start : ks.stop]
    return number * window.time / (total * steps).clamp(min=1)


def _window(
    latent: Tensor,
    segment: Tensor | None,
    valid: Tensor | None,
    group: Tensor | None,
    pool: Pool,
    exclude_own: bool,
    targets_only: bool = False,
) -> Window:
    """The window of `latent` [B, T, Dz]; other fields are batch-major, too."""
    batch, time = latent.shape[:2]
    expect("segment", segment, batch, time)
    expect_mask("valid", valid, batch, time)
    expect("group", group, batch)
    own = torch.arange(batch, device=latent.device) if group is None else group
    ok, same = (None if x is None else x.t() for x in (valid, segment))  # [T, B]
    return Window(pool, time, batch, ok, same, own if exclude_own else None, targets_only)


def _steps(anchor_steps: Tensor | None, time: int) -> Tensor:
    """Sorted anchor steps [S]. Pairs are found out where these lie: on the CPU, a GPU need not be waited for."""
    return torch.arange(time) if anchor_steps is None else anchor_steps.sort().values


def _trained(*heads: nn.Module) -> list[nn.Parameter]:
    return [p for head in heads for p in head.parameters() if p.requires_grad]
