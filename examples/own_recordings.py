"""CPC on your own recordings: train on them, then look for those that sound most like a given one.

python examples/own_recordings.py RECORDINGS runs/recordings

RECORDINGS/<speaker>/*.wav, or FLAC and OGG, of any rate. Further flags go to `python -m cpc_repr.audio`.
"""

import sys
from pathlib import Path

import soundfile
import torch

from cpc_repr.audio import load
from cpc_repr.audio.__main__ import main as audio
from cpc_repr.audio.sound import SUFFIXES, convert


def lists(paths, folder):
    """Names of the recordings to train on and, every fifth of a speaker, to test on, as flags."""
    folder.mkdir(parents=True, exist_ok=True)
    speakers = {path.parent for path in paths}
    test = {path.stem for speaker in speakers for path in [p for p in paths if p.parent == speaker][4::5]}
    (folder / "test.txt").write_text("".join(f"{name}\n" for name in sorted(test)))
    (folder / "train.txt").write_text("".join(f"{path.stem}\n" for path in paths if path.stem not in test))
    return ["--train-list", str(folder / "train.txt"), "--test-list", str(folder / "test.txt")]


def main(recordings, run, *flags):
    """Train without labels, then name the neighbours of the first recording."""
    paths = sorted(path for path in Path(recordings).glob("*/*") if path.suffix in SUFFIXES)
    names = lists(paths, Path(run).with_name(f"{Path(run).name}-lists"))
    if code := audio(["--data", str(recordings), *names, "--convert", "--run", str(run), *flags]):
        sys.exit(code)
    encoder = load(run)
    sounds = (convert(*soundfile.read(path, dtype="float32")) for path in paths)  # 16 kHz, mono
    c = torch.stack([encoder.encode(sound).c.mean(0) for sound in sounds])  # [N, H]
    like = torch.cosine_similarity(c, c[:1]).argsort(descending=True)[1:6]
    print(f"most like {paths[0]}:", *(paths[i] for i in like.tolist()), sep="\n  ")
    return [paths[i] for i in like.tolist()]


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 2 else sys.exit(__doc__)
