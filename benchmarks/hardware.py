"""What a benchmark ran on, in one line."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import numba
import torch

from cpc_rl.processor import instruction_set


def hardware() -> str:
    """Processor (and GPU), cores, threads of PyTorch, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    names = [model.group(1) if model else platform.processor() or platform.machine()]
    if torch.cuda.is_available():
        names.append(torch.cuda.get_device_name())
    return (
        f"{' and '.join(names)} ({instruction_set()}); {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} PyTorch threads; "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}"
    )
