"""CPC on your own pictures: train on folders of classes, then look for the pictures most like a given one.

python examples/own_pictures.py PICTURES runs/pictures

PICTURES/<class>/*.jpg, or PNG. Further flags go to `python -m cpc_repr.vision`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cpc_repr.vision import load
from cpc_repr.vision.__main__ import main as vision


def split(pictures, data):
    """Links to every fifth picture of a class in `data`/test/<class>, to the others in `data`/train/<class>."""
    for path in sorted(pictures.glob("*/*")):
        number = len(list(data.glob(f"*/{path.parent.name}/*")))
        link = data / ("test" if number % 5 == 4 else "train") / path.parent.name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    return data


def main(pictures, run, *flags):
    """Train, then name the neighbours of the first picture."""
    data = split(Path(pictures), Path(run).with_name(f"{Path(run).name}-data"))
    if code := vision(["--data", str(data), "--run", str(run), *flags]):
        sys.exit(code)
    paths = sorted(Path(pictures).glob("*/*"))
    images = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path in paths]
    z = load(run).encode(images).mean((1, 2))  # [N, D]
    like = torch.cosine_similarity(z, z[:1]).argsort(descending=True)[1:6]
    print(f"most like {paths[0]}:", *(paths[i] for i in like.tolist()), sep="\n  ")
    return [paths[i] for i in like.tolist()]


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 2 else sys.exit(__doc__)
