import pytest
import torch

from cpc_rl import processor

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def supports(monkeypatch: pytest.MonkeyPatch):
    def set_to(bf16: bool, amx: bool, capability: str) -> None:
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bf16, raising=False)
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx, raising=False)
        monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)

    return set_to


def test_bfloat16_is_warned_of_where_the_processor_lacks_it(supports):
    supports(False, False, "AVX2")
    assert "no instructions for it (AVX2)" in processor.bfloat16_notice("bfloat16", CPU)
    assert processor.bfloat16_notice("float32", CPU) == processor.bfloat16_notice("bfloat16", GPU) == ""


@pytest.mark.parametrize(
    ("bf16", "amx", "name"),
    [
        (True, False, "AVX512 with bfloat16"),
        (False, True, "AVX512 with AMX"),
        (True, True, "AVX512 with bfloat16 and AMX"),
    ],
)
def test_nothing_is_said_where_it_has(supports, bf16, amx, name):
    supports(bf16, amx, "AVX512")
    assert processor.bfloat16_notice("bfloat16", CPU) == "" and processor.instruction_set() == name


def test_a_torch_that_does_not_tell_is_taken_to_have_none(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(f"torch.cpu.{name}", raising=False)
    assert processor.bfloat16_notice("bfloat16", CPU)
