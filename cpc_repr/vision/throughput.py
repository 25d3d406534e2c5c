"""Pictures a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def throughput(
    pictures: int, loss: Callable[[], Tensor], encode: Callable[[], Tensor], times: int = 3
) -> dict[str, float]:
    """Pictures a second through loss and gradient, and the share of that time the encoder's own two passes take.

    Args:
        pictures: How many `loss` sees.
        loss: Gives a scalar to differentiate.
        encode: The same, of the encoder alone.
        times: How often each is called.
    """
    update, alone = _seconds(loss, times), _seconds(encode, times)
    return {"images_per_second": pictures / update, "encoder_share": alone / update}


def describe_speed(speed: Mapping[str, float]) -> str:
    """What `throughput` gave, on one line."""
    return (
        f"{speed['images_per_second']:.1f} pictures a second through loss and gradient, of which the encoder alone "
        f"takes {speed['encoder_share']:.0%}"
    )


def _seconds(work: Callable[[], Tensor], times: int) -> float:
    from torch.utils.benchmark import Timer  # here: no program needs it to start

    names = {"backward": torch.autograd.backward, "work": work}
    timer = Timer("backward(work())", globals=names, num_threads=torch.get_num_threads())
    return float(timer.timeit(times).mean)  # warms up, and waits for a GPU
