"""How PyTorch's threads wait for one another on a CPU: asleep.

Needs the standard library only: OpenMP reads its environment when PyTorch is loaded, so this comes before.
"""

from __future__ import annotations

import os


def sleep_while_waiting() -> None:
    """Let a thread that has done its part of an operation sleep; a value that the user has set stays.

    By default it spins for milliseconds. That saves its waking up, but where other programs need the cores it spins on
    the very core that its slower sister waits for. `benchmarks/busy.py` has both.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
