"""Optimisers without PyTorch's compiler take the same steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from cpc_rl.dynamo import spare_dynamo

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from cpc_rl.dynamo import spare_dynamo
spare_dynamo()
from cpc_rl.optim import RMSProp
from tests.cpc_rl.test_dynamo import steps
from torch.optim import SGD, Adam, AdamW
for kind in (SGD, Adam, AdamW, RMSProp):
    steps(kind)
sys.exit("torch._dynamo" in sys.modules)
"""


def steps(kind: type[Optimizer]) -> torch.Tensor:
    """A weight after three steps, with a save and a load behind the second."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = kind([weight], lr=0.1)
    for step in range(3):
        if step == 2:
            saved = optimiser.state_dict()
            optimiser = kind([weight], lr=0.1)
            optimiser.load_state_dict(saved)
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()
    assert weight.requires_grad
    return weight.detach()


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_the_steps_are_those_of_pytorch(kind: type[Optimizer], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = steps(kind)
    for each in (SGD, Adam, AdamW):
        monkeypatch.setattr(each, "step", each.step)  # puts it back
    spare_dynamo()
    spare_dynamo()
    assert torch.equal(steps(kind), expected)


def test_the_compiler_is_not_imported() -> None:
    subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, check=True)
