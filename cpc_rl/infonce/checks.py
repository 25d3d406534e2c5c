"""Argument checks of `cpc_rl.infonce`: each message names the value and what is allowed."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from cpc_rl.infonce.blocks import Estimator
from cpc_rl.infonce.pairs import Pool


def expect(name: str, x: Tensor | None, *shape: int) -> None:
    """Refuse a tensor of another shape."""
    if x is not None and x.shape != shape:
        raise ValueError(f"{name} has shape {[*x.shape]}, expected {[*shape]}")


def expect_mask(name: str, x: Tensor | None, *shape: int) -> None:
    """Refuse a mask of another shape, and one that is not bool: whole numbers would be inverted bit by bit."""
    expect(name, x, *shape)
    if x is not None and x.dtype != torch.bool:
        raise ValueError(f"{name} has type {x.dtype}, expected torch.bool; give {name} != 0")


def check_transforms(*tensors: Tensor) -> None:
    """Refuse torch.func's transforms, under which a gradient that is formed going forward has no meaning."""
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors):
        raise ValueError(
            "InfoNCE forms its gradient going forward, which torch.func (grad, vmap, ...) cannot follow: call backward "
            "or torch.autograd.grad, and give several pools as [P, n, d] instead of vmap"
        )


def check_options(estimator: str, max_block: int) -> None:
    """Refuse an unknown estimator and an empty block."""
    if estimator not in get_args(Estimator):
        raise ValueError(f"estimator is {estimator!r}, allowed are {', '.join(get_args(Estimator))}")
    if max_block < 1:
        raise ValueError(f"max_block is {max_block}, expected at least 1")


def check_core(
    anchors: Tensor,
    candidates: Tensor,
    positive: Tensor,
    negatives: Tensor | None,
    anchor_group: Tensor | None,
    candidate_group: Tensor | None,
) -> None:
    """Refuse tensors that do not fit each other, and indices out of range."""
    check_transforms(anchors, candidates)
    if anchors.ndim != 3 or candidates.ndim != 3:
        raise ValueError(
            f"anchors {[*anchors.shape]} and candidates {[*candidates.shape]} must be [P, n, d] and [P, m, d]"
        )
    (p, n, d), m = anchors.shape, candidates.shape[1]
    expect("candidates", candidates, p, m, d)
    expect("positive", positive, p, n)
    expect("anchor_group", anchor_group, p, n)
    expect("candidate_group", candidate_group, p, m)
    if negatives is not None:
        expect("negatives", negatives, p, negatives.shape[-1])
    if (anchor_group is None) != (candidate_group is None):
        raise ValueError("anchor_group and candidate_group belong together: give both or neither")
    for name, index in (("positive", positive), ("negatives", negatives)):
        if index is None or not index.numel():
            continue
        if index.is_cuda:  # reported by the device later; waiting for the answer would cost more than the loss
            torch._assert_async(((index >= 0) & (index < m)).all(), f"{name} is out of range, allowed are 0..{m - 1}")
        elif not 0 <= int(index.min()) <= int(index.max()) < m:
            raise ValueError(f"{name} holds {int(index.min())}..{int(index.max())}, allowed are 0..{m - 1}")


def check_pool(pool: str, exclude_own: bool, num_negatives: int | None) -> None:
    """Refuse pools that do not exist or leave no negative."""
    if pool not in get_args(Pool):
        raise ValueError(f"pool is {pool!r}, allowed are {', '.join(get_args(Pool))}")
    if exclude_own and pool == "sequence":
        raise ValueError("exclude_own leaves no negative in pool 'sequence': use 'batch' or 'time'")
    if num_negatives is not None and num_negatives < 1:
        raise ValueError(f"num_negatives is {num_negatives}, expected at least 1, or None for all")


def check_pairs(
    context: Tensor,
    latent: Tensor,
    heads: Sequence[nn.Module] | nn.ModuleList,
    offsets: Sequence[int],
    anchor_steps: Tensor | None,
) -> None:
    """Refuse sequences, heads and offsets that do not fit each other."""
    check_transforms(context, latent)
    if context.ndim != 3 or latent.ndim != 3 or context.shape[:2] != latent.shape[:2]:
        raise ValueError(f"context {[*context.shape]} and latent {[*latent.shape]} must be [B, T, Dc] and [B, T, Dz]")
    batch, time = latent.shape[:2]
    if not batch:
        raise ValueError(f"context {[*context.shape]} has no sequence: B must be at least 1")
    if len(heads) != len(offsets) or not len(offsets):
        raise ValueError(f"{len(heads)} heads for {len(offsets)} offsets: one each, and at least one")
    for head in heads:
        if not isinstance(head, nn.Module):
            raise ValueError(
                f"a head is a {type(head).__name__}, expected a torch.nn.Module, which owns its parameters"
            )
    _check_offsets(offsets, time)
    if anchor_steps is not None and (anchor_steps.ndim != 1 or not len(anchor_steps)):
        raise ValueError(f"anchor_steps has shape {[*anchor_steps.shape]}, expected [S] with S at least 1")
    if anchor_steps is not None and not 0 <= int(anchor_steps.min()) <= int(anchor_steps.max()) < time:
        raise ValueError(f"anchor_steps holds {anchor_steps.tolist()}, allowed are 0..{time - 1}")


def check_predictions(predictions: Sequence[Tensor], latent: Tensor, offsets: Sequence[int], steps: Tensor) -> None:
    """Refuse predictions that are not those of the anchor `steps` for each offset."""
    check_transforms(latent, *predictions)
    if latent.ndim != 3 or not len(latent):
        raise ValueError(f"latent {[*latent.shape]} must be [B, T, Dz] with B at least 1")
    batch, time, dim = latent.shape
    if len(predictions) != len(offsets) or not len(offsets):
        raise ValueError(f"{len(predictions)} predictions for {len(offsets)} offsets: one each, and at least one")
    _check_offsets(offsets, time)
    for k, prediction in zip(offsets, predictions, strict=True):
        expect(f"prediction of offset {k}", prediction, batch, int((steps + k < time).sum()), dim)


def _check_offsets(offsets: Sequence[int], time: int) -> None:
    for k in offsets:
        if not 1 <= k < time:
            raise ValueError(f"offset {k} does not fit sequences of {time} steps, allowed are 1..{time - 1}")
