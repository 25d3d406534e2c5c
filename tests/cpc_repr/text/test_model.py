"""The network, vocabulary expansion, and what training learns."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from configs import load
from cpc_repr import cpc_loss
from cpc_repr.experiment import plain_learner, train_alone
from cpc_repr.objective import count_parameters
from cpc_repr.sequences import Encoding, SequenceCPC, SequenceCPCConfig, contrast
from cpc_repr.text.books import Library, count_words, read_library
from cpc_repr.text.config import TextConfig
from cpc_repr.text.corpus import TextCorpus
from cpc_repr.text.encode import TextEncoder
from cpc_repr.text.expand import expand, fit_map, with_random_words
from cpc_repr.text.experiment import TextExperiment
from cpc_repr.text.model import SentenceEncoder, TextModel, TextModelConfig
from cpc_repr.text.supervised import supervised_objective
from cpc_repr.text.words import Vocabulary
from cpc_rl.infonce import linear_heads
from tests.cpc_repr.contexts import context
from tests.cpc_repr.text.toy import write_books

SMALL = TextModelConfig(embedding=6, channels=8, context=5, kernel=3)


def config(*flags: str) -> TextConfig:
    return load(TextConfig, flags, prog="x", description="", default_preset=lambda _: "smoke", family="text")


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_padding_changes_nothing(kernel: int, norm: str) -> None:
    encoder = SentenceEncoder(20, SMALL.model_copy(update={"kernel": kernel, "norm": norm})).double().eval()
    sentences = torch.randint(1, 22, (4, 7))
    padded = torch.cat([sentences, torch.zeros(4, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(encoder(padded), encoder(sentences))
    assert encoder(padded.view(2, 2, 12)).shape == (2, 2, 8)


def test_a_sentence_is_the_mean_of_its_words() -> None:
    encoder = SentenceEncoder(20, SMALL.model_copy(update={"kernel": 1})).double()
    words = [
        torch.relu(encoder.conv.weight[:, :, 0] @ encoder.embedding.weight[i] + encoder.conv.bias) for i in (3, 9, 4)
    ]
    torch.testing.assert_close(encoder(torch.tensor([[3, 9, 4, 0]]))[0], torch.stack(words).mean(0))


def test_words_computed_once_a_batch_give_the_same_sentences_and_gradients() -> None:
    encoder = SentenceEncoder(20, SMALL.model_copy(update={"kernel": 1})).double()
    tokens = torch.randint(1, 22, (3, 4, 9))
    tokens[:, :, 5:] = 0
    tokens[0, 0] = 0  # a sentence of nothing but padding
    weight = torch.randn(3, 4, 8, dtype=torch.double)
    results = []
    for each_place in (True, False):
        encoder.train(not each_place).zero_grad()
        z = encoder(tokens)
        (z * weight).sum().backward()
        results.append([z.detach(), *(p.grad.clone() for p in encoder.parameters() if p.grad is not None)])
    assert len(results[0]) == 4
    torch.testing.assert_close(*results)


def test_left_out_words_are_drawn_anew_and_in_training_only() -> None:
    encoder = SentenceEncoder(20, SMALL.model_copy(update={"word_dropout": 0.5}))
    tokens = torch.randint(2, 22, (1, 400))
    whole = encoder.eval()(tokens)
    torch.testing.assert_close(whole, encoder(tokens), rtol=0, atol=0)
    many = torch.cat([encoder.train()(tokens) for _ in range(200)])
    assert many.std(0).max() > 1e-4
    torch.testing.assert_close(many.mean(0), whole[0], atol=5e-3, rtol=0)


def test_order_counts_for_wide_kernels_only() -> None:
    one, other = torch.tensor([[3, 9, 4, 7]]), torch.tensor([[9, 3, 7, 4]])
    narrow, wide = (SentenceEncoder(20, SMALL.model_copy(update={"kernel": k})) for k in (1, 3))
    torch.testing.assert_close(narrow(one), narrow(other))
    assert (wide(one) - wide(other)).abs().max() > 1e-3


def test_contexts_see_the_past_only() -> None:
    model = TextModel(20, SMALL)
    tokens = torch.randint(1, 22, (2, 5, 4))
    changed = tokens.clone()
    changed[:, 3] = 1
    before, after = model(tokens).c, model(changed).c
    assert before.shape == (2, 5, 5)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any()


def test_negatives_come_from_batch_and_time() -> None:
    encoding = Encoding(torch.randn(3, 4, 8), torch.randn(3, 4, 5))
    heads = linear_heads(5, 8, 2, init_std=1.0)
    result = contrast(encoding, heads, SequenceCPCConfig(), torch.Generator())
    assert result.per_offset.pairs.tolist() == [9, 6]
    torch.testing.assert_close(result.per_offset.log_n, torch.full((2,), np.log(12)).float())
    scores = heads[1](encoding.c[:, :2]).flatten(0, 1) @ encoding.z.flatten(0, 1).t()  # two ahead
    want = torch.nn.functional.cross_entropy(scores, torch.tensor([2, 3, 6, 7, 10, 11]))
    torch.testing.assert_close(result.per_offset.loss[1], want)
    assert contrast.__globals__["cpc_loss"] is cpc_loss


def test_temperature_divides_the_scores() -> None:
    z, c = torch.randn(3, 4, 8), torch.randn(3, 4, 5)
    heads = linear_heads(5, 8, 2, init_std=1.0)
    got = contrast(Encoding(z, c), heads, SequenceCPCConfig(temperature=4), torch.Generator()).loss
    torch.testing.assert_close(got, contrast(Encoding(z / 4, c), heads, SequenceCPCConfig(), torch.Generator()).loss)


@pytest.mark.parametrize("preset", ["paper", "real"])
def test_the_loss_begins_at_log_n(preset: str) -> None:
    c = config("--preset", preset)
    torch.manual_seed(0)
    module = SequenceCPC(TextModel(500, c.model), c.cpc.steps)
    tokens = torch.randint(1, 502, (16, 12, 20))
    result = contrast(module.model(tokens), module.heads, c.cpc, torch.Generator())
    assert abs(float(result.loss.detach()) - np.log(16 * 12)) < 0.02


def test_gradients_reach_contexts_and_latents() -> None:
    z, c = torch.randn(3, 4, 8, requires_grad=True), torch.randn(3, 4, 5, requires_grad=True)
    torch.autograd.backward(
        contrast(Encoding(z, c), linear_heads(5, 8, 2, init_std=1.0), SequenceCPCConfig(), torch.Generator()).loss
    )
    assert z.grad is not None and c.grad is not None
    assert (z.grad.abs().sum(-1) > 0).all() and (c.grad.abs().sum(-1) > 0)[:, :3].all()


def test_the_papers_sizes() -> None:
    c = config("--preset", "paper")
    with torch.device("meta"):
        model = SequenceCPC(TextModel(c.corpus.vocabulary, c.model), c.cpc.steps)
    encoder = model.model.encoder
    assert encoder.embedding.weight.shape == (20_002, 620)  # 20,000 words, padding and unknown
    assert encoder.conv.weight.shape == (2400, 620, 1)
    assert count_parameters(model.model.gru) == 3 * (2 * 2400 * 2400 + 2 * 2400)
    assert [head.weight.shape for head in model.heads] == [(2400, 2400)] * 3
    with pytest.raises(ValidationError, match="odd"):
        TextModelConfig(kernel=2)


def test_the_same_seed_gives_the_same_weights() -> None:
    library = Library(np.array([2, 3] * 9), np.arange(0, 19, 2), np.array([0, 9]))
    corpus = TextCorpus(Vocabulary(["a", "b"]), library, library, (), {}, None)
    flags = ((), (), ("--seed", "5"))
    one, two, other = (TextExperiment().objective(context(config(*f), corpus)).module for f in flags)
    assert torch.equal(one.heads[0].weight, two.heads[0].weight)
    assert not torch.equal(one.heads[0].weight, other.heads[0].weight)


def test_left_out_words_are_a_function_of_the_batchs_number() -> None:
    library = Library(np.tile([2, 3, 4], 40), np.arange(0, 121, 3), np.array([0, 40]))
    corpus = TextCorpus(Vocabulary(["a", "b", "c"]), library, library, (), {}, None)
    objective = TextExperiment().objective(context(config("--word-dropout", "0.5"), corpus))
    batch = objective.batch(0)
    first, again, other = (objective.loss(batch, number)[0].item() for number in (1, 1, 2))
    assert first == again != other


def test_expansion_recovers_a_linear_map() -> None:
    vocabulary = Vocabulary([f"w{i}" for i in range(12)])
    model = TextModel(12, SMALL)
    rng = np.random.default_rng(0)
    truth, shift = rng.normal(size=(3, 6)), rng.normal(size=6)
    vectors = {f"w{i}": rng.normal(size=3) for i in range(3, 20)}  # w0..w2 have none, w12..w19 are new
    with torch.no_grad():
        for word in list(vectors)[:9]:
            model.encoder.embedding.weight[vocabulary.row[word]] = torch.from_numpy(vectors[word] @ truth + shift)
    np.testing.assert_allclose(
        fit_map(vectors, vocabulary, model.encoder.embedding.weight.detach())[:3], truth, atol=1e-5
    )
    wider, known = expand(model, vocabulary, vectors)
    assert known.words == (*vocabulary.words, *[f"w{i}" for i in range(12, 20)])
    row = wider.encoder.embedding.weight[known.row["w15"]].detach().numpy()
    np.testing.assert_allclose(row, vectors["w15"] @ truth + shift, atol=1e-5)
    old = [("w0", "w5", "w11")]
    torch.testing.assert_close(
        TextEncoder(wider, known).encode_words(old).z, TextEncoder(model, vocabulary).encode_words(old).z
    )
    assert len(model.encoder.embedding.weight) == 14  # the original is as it was
    with pytest.raises(ValueError, match="share 3 words"):
        fit_map(dict(list(vectors.items())[:3]), vocabulary, model.encoder.embedding.weight.detach())


def test_random_words_are_as_before_training() -> None:
    model, vocabulary = TextModel(200, SMALL), Vocabulary([f"w{i}" for i in range(200)])
    wider, known = with_random_words(model, vocabulary, ["w3", *[f"x{i}" for i in range(200)]], seed=1)
    assert len(known) == 400
    new = wider.encoder.embedding.weight[202:]
    assert abs(new.std() / model.encoder.embedding.weight[2:].std() - 1) < 0.1


def test_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpc_repr.text.encode._CHUNK", 2)
    torch.manual_seed(0)
    encoder = TextEncoder(TextModel(3, SMALL), Vocabulary(["she", "was", "."]), max_tokens=3)
    sentences = ["She was.", "WAS she?", "x she was .", "she"]
    z, c = encoder.encode(sentences)
    assert z.shape == (4, 8) and c.shape == (4, 5)
    for i, sentence in enumerate(sentences):
        torch.testing.assert_close(z[i], encoder.encode([sentence]).z[0])
        torch.testing.assert_close(c[i], encoder.encode([sentence]).c[0])
    book = encoder.encode(sentences, book=True)
    torch.testing.assert_close(book.z, z)
    torch.testing.assert_close(book.c[0], c[0])
    assert (book.c[1:] - c[1:]).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(z[2], encoder.encode(["y she was she she"]).z[0])  # cut at three words, x and y unknown
    for wrong, words in (
        (["she", " "], "sentence 1 has no word"),
        ([], "no sentence"),
        ("she was", "list of sentences"),
        (None, "list of sentences, not a NoneType"),
        (["she", None], "sentence 1 is a NoneType"),
    ):
        with pytest.raises(ValueError, match=words):
            encoder.encode(wrong)


def test_cpc_learns_what_a_book_is_about(tmp_path) -> None:
    files = sorted(write_books(tmp_path / "books").glob("*"))
    vocabulary = Vocabulary.of(count_words(files, "lines"), 100)
    library = read_library(files, "lines", vocabulary)
    corpus = TextCorpus(vocabulary, library, library, (), {}, None)
    learner = plain_learner(TextExperiment().objective(context(config("--optimiser.learning-rate", "0.005"), corpus)))
    losses = [learner.update() for _ in range(80)]
    assert abs(losses[0]["loss/total"] - losses[0]["cpc/log_n"]) < 0.05
    assert np.mean([x["loss/total"] for x in losses[-10:]]) < losses[0]["cpc/log_n"] - 0.4  # ln 2 is all there is
    assert {"cpc/accuracy_1", "cpc/bound_3"} <= losses[0].keys()


def test_supervised_training_fits_its_labels() -> None:
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.integers(2, 12, (70, 6)))
    labels = (tokens == 5).any(1).long()
    assert 15 < labels.sum() < 55
    c = config("--supervised-epochs", "30", "--supervised-learning-rate", "0.01")
    objective = supervised_objective(context(c, None), tokens, labels)
    network = train_alone(objective)
    assert objective.updates == 90
    assert (network(tokens).argmax(1) == labels).float().mean() > 0.95


def test_vocabulary_is_the_most_frequent_words() -> None:
    assert Vocabulary.of(Counter({"a": 1, "b": 5, "c": 3}), 2).words == ("b", "c")
