"""CPC on your own texts: train on them, then look for the sentences most like a given one.

python examples/own_texts.py TEXTS runs/texts "She was glad."

TEXTS/*.txt, prose in UTF-8, three files or more. Further flags go to `python -m cpc_repr.text`.
"""

import sys
from pathlib import Path

import torch

from cpc_repr.text import load
from cpc_repr.text.__main__ import main as text
from cpc_repr.text.books import read_book


def main(texts, run, query, *flags):
    """Train, then print the neighbours of `query`."""
    if code := text(["--data", str(texts), "--layout", "prose", "--run", str(run), *flags]):
        sys.exit(code)
    encoder = load(run)
    sentences = [words for path in sorted(Path(texts).glob("*.txt")) for words in read_book(path, "prose")]
    z = encoder.encode_words(sentences).z  # [N, D]
    like = torch.cosine_similarity(z, encoder.encode([query]).z).argsort(descending=True)[:5]
    found = [" ".join(sentences[i]) for i in like.tolist()]
    print(f"most like {query}", *found, sep="\n  ")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 2 else sys.exit(__doc__)
