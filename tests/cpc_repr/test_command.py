"""What only several processes meet in `cpc_repr.command`."""

from __future__ import annotations

import pytest

import cpc_repr.command
from cpc_repr.audio.__main__ import main as audio
from cpc_repr.vision.__main__ import main as vision
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
