"""What only several processes meet in `cpc_repr.command`."""

from __future__ import annotations

import pytest

import cpc_repr.command
from cpc_repr.audio.__main__ import main as audio
from cpc_repr.audio.experiment import AudioExperiment
from cpc_repr.vision.__main__ import main as vision
from cpc_repr.vision.experiment import VisionExperiment
from cpc_rl.distributed import ProcessGroup


@pytest.mark.parametrize(
    "main, flags, words",
    [
        (audio, ["--smoke", "--seeds", "2"], "--seeds and --ablation go without torchrun"),
        (vision, ["--smoke", "--seeds", "2"], "--seeds and --ablation go without torchrun"),
        (vision, ["--smoke", "--ablation", "directions"], "--seeds and --ablation go without torchrun"),
    ],
)
def test_what_torchrun_cannot_share_is_refused(main, flags, words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cpc_repr.command, "together", lambda parse, run: run(parse(), ProcessGroup(0, 2)))
    assert main([*flags, "--run", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("main, experiment", [(audio, AudioExperiment), (vision, VisionExperiment)])
@pytest.mark.parametrize("flags", [["--run", "full"], ["--resume", "full"], ["--run", "a", "--resume", "b"]])
def test_a_place_that_cannot_be_used_is_told_before_data_is_made(
    main, experiment, flags, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "open", lambda *_: pytest.fail("minutes of work"))
    for name in ("full", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thing").touch()
    (tmp_path / "b" / "config.yaml").touch()
    assert main([*flags, "--smoke"]) == 2
    assert capsys.readouterr().err.startswith("error: ") and not (tmp_path / "a").exists()
