"""What the processor can do: which vector instructions PyTorch uses here, and whether bfloat16 pays."""

from __future__ import annotations

import torch


def instruction_set() -> str:
    """Such as `AVX2` or `AVX512 with bfloat16 and AMX`."""
    extras = [name for name, has in (("bfloat16", _has("avx512_bf16")), ("AMX", _has("amx_tile"))) if has]
    return torch.backends.cpu.get_cpu_capability() + (f" with {' and '.join(extras)}" if extras else "")


def bfloat16_notice(precision: str, device: torch.device) -> str:
    """A line for who asks for bfloat16 where it is slow; empty elsewhere."""
    if precision != "bfloat16" or device.type != "cpu" or _has("avx512_bf16") or _has("amx_tile"):
        return ""
    return (
        f"bfloat16 is slower than float32 here: the processor has no instructions for it ({instruction_set()}); "
        "measured eight times slower with AVX2 alone. --network.precision float32 is the way back"
    )


def _has(name: str) -> bool:
    """Whether the processor has instructions of this name, as far as PyTorch tells."""
    return bool(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)())
