"""Each program of examples/ and its notebook do what they say, on very little."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
import torch
from nbclient import NotebookClient

from cpc_rl.aux import AUX_LOSSES
from cpc_rl.infonce import CPC
from tests.cpc_repr.audio.toy import write_toy as write_recordings
from tests.cpc_repr.text.toy import write_books
from tests.cpc_repr.vision.toy import write_toy as write_pictures

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are modules by their bare names, as for who starts one."""
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.mark.parametrize("file", [file for file in sorted(EXAMPLES.glob("*.py")) if "sys.argv" in file.read_text()])
def test_without_arguments_a_program_says_what_it_takes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUX_LOSSES, "temporal", AUX_LOSSES["cpc"])  # so that it is gone behind this test
    monkeypatch.setattr(sys, "argv", [str(file)])
    with pytest.raises(SystemExit, match=f"python examples/{file.name} "):
        runpy.run_path(str(file), run_name="__main__")


def test_an_environment_of_ones_own_is_trained_in_and_scored(tmp_path: Path) -> None:
    import own_environment

    env = own_environment.Recall()
    (first, _), cue = env.reset(seed=3), env.cue
    rows = [env.step(cue) for _ in range(5)]
    assert first[cue] == 1 and [row[1] for row in rows] == [0, 0, 0, 0, 1] and [row[2] for row in rows][-1]
    scores = own_environment.main(tmp_path / "run", frames=512, episodes=50)
    assert scores["episodes"] == 50 and scores["length"] == 5


def test_a_loss_of_ones_own_is_trained_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUX_LOSSES, "temporal", AUX_LOSSES["cpc"])  # so that it is gone behind this test
    import own_loss

    AUX_LOSSES["temporal"] = own_loss.Temporal
    small = {"height": 24, "width": 32, "num_envs": 3, "unroll": 20, "network": {"features": 16, "hidden": 16}}
    own_loss.main(tmp_path / "run", frames=480, log_updates=1, temporal={"steps": 4}, **small)
    assert "temporal:\n  weight: 0.05\n  steps: 4\n" in (tmp_path / "run/config.yaml").read_text()


def test_cpc_trains_beside_the_ppo_of_sb3_contrib(monkeypatch: pytest.MonkeyPatch) -> None:
    import sb3_cpc

    assert len((EXAMPLES / "sb3_cpc.py").read_text().splitlines()) <= 80
    contrast, reached = sb3_cpc.CPCPPO.contrast, []

    def watched(self: sb3_cpc.CPCPPO) -> CPC:
        result = contrast(self)
        parts = (self.heads, self.policy.lstm_actor, self.policy.features_extractor)
        grads = torch.autograd.grad(result.loss, [next(part.parameters()) for part in parts], retain_graph=True)
        reached.append([bool(grad.any()) for grad in grads])
        return result

    monkeypatch.setattr(sb3_cpc.CPCPPO, "contrast", watched)
    small = {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "cpc_epochs": 1, "policy_kwargs": {"lstm_hidden_size": 8}}
    agent = sb3_cpc.main(16, num_envs=2, **small)
    assert reached == [[True, True, True]] and agent.num_timesteps == 16
    assert all(
        p.requires_grad and agent.policy.optimizer.state[p] for p in agent.heads.parameters()
    )  # they took a step


def test_pictures_of_ones_own(tmp_path: Path) -> None:
    import own_pictures

    pictures = tmp_path / "pictures"
    write_pictures(tmp_path / "toy")
    for path in (tmp_path / "toy").glob("*/*/*"):
        (pictures / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, pictures / path.parent.name / f"{path.parents[1].name}-{path.name}")
    like = own_pictures.main(pictures, tmp_path / "run", "--smoke", "--threads", "1")
    assert len(like) == 5 and set(like) < set(pictures.glob("*/*"))
    assert "| CPC" in (tmp_path / "run/report/table.md").read_text()


def test_recordings_of_ones_own(tmp_path: Path) -> None:
    import own_recordings

    write_recordings(tmp_path / "toy", speakers=2, utterances=5)
    recordings = tmp_path / "recordings"
    for path in (tmp_path / "toy").glob("*/*/*.flac"):
        (recordings / path.parents[1].name).mkdir(parents=True, exist_ok=True)
        sound, rate = soundfile.read(path)
        soundfile.write(recordings / path.parents[1].name / path.name, np.stack([sound, sound], 1), 2 * rate)
    like = own_recordings.main(recordings, tmp_path / "run", "--smoke", "--threads", "1", "--window", "6400")
    assert len(like) == 5 and set(like) < set(recordings.glob("*/*"))


def test_texts_of_ones_own(tmp_path: Path) -> None:
    import own_texts

    texts = tmp_path / "texts"
    texts.mkdir()
    for book in write_books(tmp_path / "books").glob("*.txt"):  # a sentence a line
        prose = [line.capitalize().replace(" .", ".") for line in book.read_text().splitlines()]
        (texts / book.name).write_text(" ".join(prose))
    flags = ["--smoke", "--threads", "1", "--corpora", str(tmp_path / "corpora")]
    found = own_texts.main(texts, tmp_path / "run", "The ship and the sea.", *flags)
    assert len(found) == 5 and all(sentence.endswith(" .") for sentence in found)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # other libraries set it; a notebook draws into its page
    notebook = nbformat.read(EXAMPLES / "first_run.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # it is kept without
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = "".join(output.get("text", "") or output["data"].get("text/plain", "") for output in outputs)
    assert "return" in texts and "warning" not in texts.lower() and "done:" in texts
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    nbformat.write(notebook, tmp_path / "executed.ipynb")
