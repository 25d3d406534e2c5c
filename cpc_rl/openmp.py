"""How PyTorch's threads wait for one another on a CPU: they look a moment, then sleep.

Needs the standard library only: OpenMP reads its environment when PyTorch is loaded, so this comes before.
"""

from __future__ import annotations

import os

LOOKS = "3000"  # some tens of microseconds: 300 are slower, and 10,000 beside another program


def sleep_soon() -> None:
    """Let a thread that has done its part of an operation sleep soon; what the user has set stays.

    By default it spins for milliseconds. Where other programs need the cores it spins on the very core that its slower
    sister waits for. Sleeping at once costs a waking up for each small operation. `benchmarks/busy.py` has all three.
    """
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"  # for the OpenMP of LLVM, which has no count of looks
    os.environ["GOMP_SPINCOUNT"] = LOOKS
