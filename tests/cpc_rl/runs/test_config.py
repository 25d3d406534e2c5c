import pytest
import torch

from configs import UsageError
from cpc_rl.runs import RunConfig, pick_device


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device cuda:1: PyTorch sees 0"):
        pick_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("auto").type == "cuda" and pick_device("cuda:0").index == 0
    with pytest.raises(UsageError):
        pick_device("cuda:1")


def test_every_field_is_explained_and_a_strange_device_refused() -> None:
    assert all(field.description for field in RunConfig.model_fields.values())
    with pytest.raises(ValueError, match="device"):
        RunConfig(device="gpu")
