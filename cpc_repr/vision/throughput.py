"""Pictures a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def throughput(
    pictures: int, loss: Callable[[], Tensor], encode: Callable[[], Tensor], device: torch.device, times: int = 3
) -> dict[str, float]:
    """Pictures a second through loss and gradient, and the share of that time the encoder's own two passes take.

    Args:
        pictures: How many `loss` sees.
        loss: Gives a scalar to differentiate.
        encode: The same, of the encoder alone.
        device: Where they compute.
        times: How often each is called.
    """
    update, alone = (_seconds(work, times, device) for work in (loss, encode))
    return {"images_per_second": pictures / update, "encoder_share": alone / update}


def describe_speed(speed: Mapping[str, float]) -> str:
    """What `throughput` gave, on one line."""
    return (
        f"{speed['images_per_second']:.1f} pictures a second through loss and gradient, of which the encoder alone "
        f"takes {speed['encoder_share']:.0%}"
    )


def _seconds(work: Callable[[], Tensor], times: int, device: torch.device) -> float:
    torch.autograd.backward(work())  # warms up
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(times):
        torch.autograd.backward(work())
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / times
