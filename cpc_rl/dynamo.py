"""Training without PyTorch's compiler, which our programs do not use: a second and 140 MB a process for its import."""

from __future__ import annotations

import inspect

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

_MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def spare_dynamo() -> None:
    """Keep optimisers from importing `torch._dynamo`; they do at their first call, to be left alone by it.

    For programs: it changes PyTorch's classes, which somebody who imports the library may want to compile. Where
    another version of PyTorch keeps the mark elsewhere, the import comes back and nothing else happens.
    """
    for name in _MARKED:
        method = inspect.unwrap(getattr(Optimizer, name))
        setattr(method, "__dynamo_disable", method)  # two underscores in a plain assignment are a class's
    for kind in (Adam, AdamW, SGD):
        kind.step = torch.no_grad()(inspect.unwrap(kind.step))  # type: ignore[method-assign] # breaks graphs else
