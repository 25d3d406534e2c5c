"""The library: whole files, pieces of files, and checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from configs import UsageError
from cpc_repr.audio import SpeechEncoder, load
from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.encode import HALO, Stream
from cpc_repr.audio.greedy import GreedyNetwork
from cpc_repr.audio.model import SpeechModel, SpeechModelConfig, frames
from cpc_repr.audio.supervised import FrameClassifier
from cpc_repr.sequences import SequenceCPC
from cpc_rl.runs import RunDirectory


def encoder(norm: str = "none") -> SpeechEncoder:
    torch.manual_seed(0)
    model = SpeechModel(SpeechModelConfig(channels=12, context=10, norm=norm))
    if norm == "batch":
        model(torch.randn(4, 4_000))  # statistics of its own
    return SpeechEncoder(model)


def joined(speech: SpeechEncoder, pieces) -> tuple[torch.Tensor, torch.Tensor]:
    found = list(speech.stream(pieces))
    return torch.cat([e.z for e in found]), torch.cat([e.c for e in found])


@pytest.mark.parametrize("norm", ["none", "channel", "batch"])
@pytest.mark.parametrize("size", [37, 160, 1_601, 100_000])
def test_streaming_equals_the_whole(norm: str, size: int) -> None:
    speech = encoder(norm)
    speech.model.double()
    x = torch.randn(9_273)
    z, c = speech.model(x.double()[None])
    speech.model.float()
    got_z, got_c = joined(speech, x.split(size))
    assert got_z.shape == (frames(9_273), 12) and got_c.shape == (frames(9_273), 10)
    torch.testing.assert_close(got_z.double(), z[0], atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(got_c.double(), c[0], atol=2e-6, rtol=1e-5)


def test_streaming_is_exact_in_double_precision() -> None:
    model = encoder().model.double()
    x = torch.randn(7_777, dtype=torch.float64)
    whole = model(x[None])
    stream = Stream(model)
    stream.feed = lambda piece: stream._pass(piece, last=False)  # past the check, which makes float32 of it
    found = [stream.feed(piece) for piece in x.split(501)]
    found.append(stream._pass(x[:0], last=True))
    torch.testing.assert_close(torch.cat([e.z for e in found]), whole.z[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(torch.cat([e.c for e in found]), whole.c[0], atol=1e-12, rtol=0)


def test_frames_come_as_soon_as_their_samples_are_there() -> None:
    stream = Stream(encoder().model)
    assert len(stream.feed(torch.zeros(311)).z) == 0
    assert len(stream.feed(torch.zeros(1)).z) == 1  # frame 0 ends with sample 79 + 232
    assert len(stream.feed(torch.zeros(1_600)).z) == 10


def test_a_stream_forgets_nothing_and_keeps_little() -> None:
    stream = Stream(encoder().model)
    for _ in range(50):
        stream.feed(torch.randn(1_000))
    assert sum(layer._rest.numel() for layer in stream._layers) < 500


@pytest.mark.parametrize("samples", [HALO, HALO + 1, 465, 1_000])
def test_encode(samples: int) -> None:
    speech = encoder()
    z, c = speech.encode(np.random.default_rng(0).normal(size=samples).astype(np.float32))
    assert z.shape == (frames(samples), 12) and c.shape == (frames(samples), 10) and len(z) >= 1
    assert not z.requires_grad and not c.requires_grad


def test_fewest_samples() -> None:
    assert frames(HALO) == 1 and frames(HALO - 1) == 0


@pytest.mark.parametrize(
    "sound, words",
    [
        (np.zeros((2, 100), np.float32), r"float32 \[2, 100\]"),
        (np.zeros(5_000, np.int16), "int16"),
        ("x.wav", "not 'x.wav': read the file first"),
        ([None], "this is a list"),
        (None, "this is a NoneType"),
        (np.full(5_000, np.nan, np.float32), "not finite"),
        (np.zeros(HALO - 1, np.float32), f"too few for a frame: at least {HALO}"),
    ],
)
def test_what_is_no_waveform_is_refused(sound: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        encoder().encode(sound)


@pytest.mark.parametrize("greedy", [False, True])
def test_load_takes_the_newest_checkpoint_that_fits(
    tmp_path: Path, greedy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    config = AudioConfig(model=SpeechModelConfig(channels=6, context=5, norm="batch"), greedy=greedy)
    run = RunDirectory.create(tmp_path / "run", config)
    model = GreedyNetwork(config.model, 3) if greedy else SequenceCPC(SpeechModel(config.model), 3)
    model.model(torch.randn(2, 4_000))
    run.checkpoints.save({"module": model.state_dict(), "average": {}}, number=3)
    other = {name: weight[:1] for name, weight in model.state_dict().items() if weight.dim()}
    torch.save({"format": 2, "module": other, "average": {}}, run.path / "checkpoint-4.pt")
    x = torch.randn(3_000)
    got = load(run.path).encode(x)
    want = model.eval().model(x[None])
    assert torch.equal(got.z, want.z[0]) and torch.equal(got.c, want.c[0])
    assert "checkpoint-4.pt is damaged" in capsys.readouterr().err


def test_load_says_that_a_bound_is_no_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory.create(tmp_path / "run", AudioConfig())
    bound = RunDirectory.create(run.path / "bound_phone", AudioConfig())
    network = FrameClassifier(SpeechModelConfig(channels=6, context=5), 3)
    bound.checkpoints.save({"module": network.state_dict(), "average": {}}, number=3)
    with pytest.raises(UsageError, match=r"bound_phone holds a classifier trained on labels, .*: take .*/run$"):
        load(bound.path)
    assert "damaged" not in capsys.readouterr().err


def test_load_says_what_a_folder_is_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run directory"):
        load(tmp_path / "none")
    (tmp_path / "config.yaml").write_text("env: {}\n")
    with pytest.raises(UsageError, match=r"not a run of cpc_repr\.audio"):
        load(tmp_path)
    several = RunDirectory.create(tmp_path / "several", AudioConfig())
    RunDirectory.create(several.path / "s1", AudioConfig())
    with pytest.raises(UsageError, match=r"holds several runs: take one of .*several/s1"):
        load(several.path)
