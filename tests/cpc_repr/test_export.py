"""An exported encoder gives the z of `encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from configs import Frozen, UsageError
from cpc_repr import audio, text, vision
from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.model import SpeechModel, SpeechModelConfig
from cpc_repr.export import export_encoder, main
from cpc_repr.text.config import TextConfig
from cpc_repr.text.encode import VOCABULARY
from cpc_repr.text.model import TextModel, TextModelConfig
from cpc_repr.text.words import Vocabulary
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_rl.exchange import read_network
from cpc_rl.runs import RunDirectory

SPEECH = SpeechModelConfig(channels=6, context=5, norm="batch")
SENTENCES = TextModelConfig(embedding=4, channels=6, context=5)
PATCHES = EncoderConfig(inputs="small", encoder="resnet18", widen=8)
WORDS = ["she", "was", "glad", "."]


def saved(path: Path, config: Frozen, model: nn.Module) -> Path:
    """A run of this network."""
    run = RunDirectory.create(path, config)
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    run.checkpoints.save({"module": weights, "average": {}}, number=3)
    return run.path


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_speech_of_any_length(tmp_path: Path, form: Any) -> None:
    run = saved(tmp_path / "run", AudioConfig(model=SPEECH), SpeechModel(SPEECH))
    path, _ = export_encoder(run, form)
    samples = torch.randn(3, 7001)
    (z,) = read_network(path)(samples)
    want = torch.stack([audio.load(run).encode(x).z for x in samples])
    torch.testing.assert_close(z, want, rtol=0, atol=1e-5)


def test_pictures(tmp_path: Path) -> None:
    config = VisionConfig(model=PATCHES)
    run = saved(tmp_path / "run", config, PatchEncoder(PATCHES))
    path, _ = export_encoder(run, "onnx", out=tmp_path / "out")
    side = config.view.crop
    images = torch.randint(256, (3, 3, side, side), dtype=torch.uint8)
    (z,) = read_network(path)(images)
    assert path.parent == tmp_path / "out" and not (run / "export").exists()
    encoder = vision.load(run)
    torch.testing.assert_close(z, encoder.cells(images, None), rtol=1e-4, atol=1e-5)


def test_sentences_with_their_vocabulary(tmp_path: Path) -> None:
    vocabulary = Vocabulary(WORDS)
    run = saved(tmp_path / "run", TextConfig(model=SENTENCES), TextModel(len(vocabulary), SENTENCES))
    vocabulary.write(run / VOCABULARY)
    path, _ = export_encoder(run, "onnx")
    sentences = [["she", "was", "glad", "."], ["glad"], ["she", "was"]]
    (z,) = read_network(path)(torch.from_numpy(vocabulary.pad(sentences, 32)).long())
    torch.testing.assert_close(z, text.load(run).encode_words(sentences).z, rtol=0, atol=1e-6)
    assert (path.parent / VOCABULARY).read_bytes() == (run / VOCABULARY).read_bytes()


def test_another_programs_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("env: {}\n")
    assert main([str(tmp_path)]) == 2
    assert "is not a run of cpc_repr" in capsys.readouterr().err and not (tmp_path / "export").exists()
    with pytest.raises(UsageError, match="no such run directory"):
        export_encoder(tmp_path / "none")


def test_a_folder_with_other_things_is_refused_and_an_earlier_export_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = saved(tmp_path / "run", AudioConfig(model=SPEECH), SpeechModel(SPEECH))
    (run / "metrics.jsonl").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.yaml").write_text("mine: 1\n")
    for folder in (run, tmp_path / "mine"):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert main([str(run), "--out", str(folder), "--format", "torch"]) == 2
        said = capsys.readouterr().err
        assert f"--out {folder} holds other things" in said and len(said.splitlines()) == 1
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        assert main([str(run), "--out", str(tmp_path / "empty"), "--format", "torch"]) == 0
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"encoder.pt2", "config.yaml"}
