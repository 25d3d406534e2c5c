"""A trained network as a library: `load(run).encode(sentences)` gives z and c.

from cpc_repr.text import load

text = load("runs/NAME")
z, c = text.encode(["She was not glad.", "Why?"])            # [2, D], [2, H], each sentence on its own
z, c = text.encode(["She was not glad.", "Why?"], book=True) # c of the second has seen the first
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from configs import as_usage_error
from cpc_repr.sequences import Encoding
from cpc_repr.text.expand import expand
from cpc_repr.text.model import TextModel, TextModelConfig
from cpc_repr.text.vectors import read_vectors
from cpc_repr.text.words import Sentence, Vocabulary, split
from cpc_repr.trained import load_weights, open_trained

VOCABULARY = "vocabulary.txt"
_CHUNK = 256  # sentences encoded together


class TextEncoder:
    """g_enc and g_ar with their vocabulary, frozen."""

    def __init__(
        self, model: TextModel, vocabulary: Vocabulary, device: torch.device | str = "cpu", max_tokens: int = 32
    ) -> None:
        """Take `model` as it is, in evaluation mode, onto `device`."""
        self.model = model.to(device).eval()
        self.vocabulary, self.device, self.max_tokens = vocabulary, torch.device(device), max_tokens

    def encode(self, sentences: Sequence[str], book: bool = False) -> Encoding:
        """Encode sentences.

        Args:
            sentences: N of them; words beyond the first `max_tokens` are not read.
            book: They follow each other: c of each has seen those before. Else c of each starts from a zero state.

        Returns:
            z [N, channels] and c [N, context], on the CPU.

        Raises:
            ValueError: One string instead of several, what is no string, no sentence, or one without a word.
        """
        if isinstance(sentences, str) or not isinstance(sentences, Iterable):
            kind = "one string" if isinstance(sentences, str) else f"a {type(sentences).__name__}"
            raise ValueError(f"encode takes a list of sentences, not {kind}")
        for i, sentence in enumerate(sentences):
            if not isinstance(sentence, str):
                raise ValueError(f"sentence {i} is a {type(sentence).__name__}, not a string")
        return self.encode_words([split(sentence) for sentence in sentences], book)

    @torch.no_grad()
    def encode_words(self, sentences: Sequence[Sentence], book: bool = False) -> Encoding:
        """As `encode`, of sentences that are split into words."""
        empty = [i for i, words in enumerate(sentences) if not words]
        if empty or not sentences:
            raise ValueError(f"sentence {empty[0]} has no word" if empty else "there is no sentence to encode")
        parts = []
        for i in range(0, len(sentences), _CHUNK):
            tokens = torch.from_numpy(self.vocabulary.pad(sentences[i : i + _CHUNK], self.max_tokens))
            parts.append(self.model.encoder(tokens.to(self.device)))
        z = torch.cat(parts)  # [N, channels]
        c = self.model.gru(z[None] if book else z[:, None])[0]  # [1, N, context] or [N, 1, context]
        return Encoding(z.cpu(), (c[0] if book else c[:, 0]).cpu())


def load(path: Path | str, device: torch.device | str = "cpu", vectors: Path | str | None = None) -> TextEncoder:
    """The network of a run directory (its newest checkpoint; the mean of the weights if the run has one).

    Args:
        path: The run directory.
        device: Where to compute.
        vectors: word2vec file: the network also learns all its words, by a linear map.

    Raises:
        UsageError: There is no such run, it is not one of `python -m cpc_repr.text`, or the vectors are no good.
        RunFailure: It has no whole checkpoint.
    """
    run, settings = open_trained(path, "text", {"model", "stories"})
    vocabulary = Vocabulary.read(run.path / VOCABULARY)
    model = TextModel(len(vocabulary), TextModelConfig.model_validate(settings["model"]))
    load_weights(run, model)
    if vectors is not None:
        with as_usage_error():
            model, vocabulary = expand(model, vocabulary, read_vectors(Path(vectors), _Everything()))
    return TextEncoder(model, vocabulary, device, settings["corpus"]["max_tokens"])


class _Everything:
    def __contains__(self, word: object) -> bool:
        return True
