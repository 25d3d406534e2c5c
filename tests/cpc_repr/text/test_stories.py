"""The generated text: what its stories and tasks are made of, and what they must not give away."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from cpc_repr.text import lexicon as words
from cpc_repr.text.evaluate import bag_of_words
from cpc_repr.text.examples import draw_tasks
from cpc_repr.text.grammar import Grammar
from cpc_repr.text.logistic import LogisticConfig, predict
from cpc_repr.text.senteval import BINARY, TREC, read_tasks
from cpc_repr.text.stories import COURSES, StoriesConfig, setting_of_no_story, story
from cpc_repr.text.synthetic import make_text
from cpc_repr.text.words import split

TINY = StoriesConfig(books=30, sentences=60, examples=200)
PLAIN = StoriesConfig(negation=0, contrast=0, questions=0, wander=0, noise=0, hints=1, sentences=100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    return make_text(tmp_path_factory.mktemp("text"), TINY)


def synonyms() -> set[str]:
    return {other for others in words.SYNONYMS.values() for other in others}


def test_the_lexicon_says_each_word_once() -> None:
    bases = Counter(list(words.SYNONYMS))
    others = Counter(other for found in words.SYNONYMS.values() for other in found)
    assert not [word for word, count in (bases + others).items() if count > 1]
    assert all(split(word) == (word,) for word in (*bases, *others))
    assert len({place for genre in words.GENRES for place in genre.places}) == sum(len(g.places) for g in words.GENRES)


def test_synonyms_occur_in_tasks_only() -> None:
    books = {word for i in range(100) for line in story(TINY, i) for word in split(line)}
    assert not books & synonyms()
    tasks = [set(split(line)) for lines in draw_tasks(TINY).values() for line in lines]
    assert 0.5 < np.mean([bool(line & synonyms()) for line in tasks]) < 1
    without = draw_tasks(TINY.model_copy(update={"synonyms": 0.0}))
    assert not {word for lines in without.values() for line in lines for word in split(line)} & synonyms()


def moods(number: int, config: StoriesConfig = PLAIN) -> list[bool]:
    return [line.startswith(words.LUCKILY) for line in story(config, number)]


def test_moods_come_in_runs_as_the_course_has_them() -> None:
    """Sentences alone do not say when the mood turns: in half of the stories it does, at intervals of the course."""
    lengths = set()
    for number in range(60):
        found = moods(number)
        turns = [i for i in range(1, len(found)) if found[i] != found[i - 1]]
        lengths |= {b - a for a, b in pairwise(turns)} or {1000}
    assert lengths == set(COURSES)
    assert 0.3 < np.mean([moods(number)[0] for number in range(200)]) < 0.7


def test_a_story_keeps_its_genre_and_hero() -> None:
    for number in range(20):
        text = {word for line in story(PLAIN, number) for word in split(line)}
        about = [genre for genre in words.GENRES if text & {*genre.places, *genre.objects, *genre.people}]
        assert len(about) == 1 and len(text & set(words.NAMES)) == 2


def test_questions_are_answered_twice() -> None:
    lines = list(story(StoriesConfig(questions=1, sentences=60), 0))
    assert all(line.endswith("?") == (i % 3 == 0) for i, line in enumerate(lines))
    numbers = [lines[i + 1] for i in range(0, 60, 3) if lines[i].startswith("how many")]
    assert all(set(split(line)) & {*words.NUMBERS} for line in numbers)


GOOD, BAD = (
    {*people, *things}
    for people, things in ((words.PEOPLE_GOOD, words.THINGS_GOOD), (words.PEOPLE_BAD, words.THINGS_BAD))
)


@pytest.mark.parametrize("negation, contrast, said, others", [(0, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 1)])
def test_plain_negated_and_contrasted(negation: float, contrast: float, said: int, others: int) -> None:
    grammar = Grammar(random.Random(0), negation, contrast, synonyms=0)
    for i in range(200):
        good, thing = bool(i % 2), bool(i % 3)
        phrase = set(split(grammar.mood(good, thing)))
        assert len(phrase & (GOOD if good else BAD)) == said and len(phrase & (BAD if good else GOOD)) == others


def test_which_says_what_is_asked() -> None:
    """Without a question word of its own the same words are asked for both of the things they name."""
    grammar, rng = Grammar(random.Random(0), 0, 0, 0), random.Random(1)
    for kind in words.CLASSES:
        for _ in range(50):
            scene = setting_of_no_story(rng, True)
            nouns = {"HUM": scene.genre.people, "LOC": scene.genre.places, "ENTY": scene.genre.objects, **words.ASKED}
            asked = split(grammar.question(kind, scene, direct=0))
            assert asked[asked.index("which") + 1] in nouns[kind]


def test_the_same_seed_gives_the_same_text() -> None:
    assert list(story(TINY, 3)) == list(story(TINY, 3)) != list(story(TINY, 4))
    other = TINY.model_copy(update={"seed": 1})
    assert list(story(TINY, 3)) != list(story(other, 3)) and draw_tasks(TINY) != draw_tasks(other)
    assert draw_tasks(TINY) == draw_tasks(TINY)


def test_sizes_and_noise() -> None:
    files = draw_tasks(TINY.model_copy(update={"noise": 0.0}))
    assert {len(files[name]) for pair in BINARY.values() for name in pair} == {100}
    assert [len(files[name]) for name in TREC] == [200, 100]
    noisy = draw_tasks(TINY.model_copy(update={"noise": 0.3}))
    good = [line for line in noisy["MR/rt-polarity.pos"] if line in files["MR/rt-polarity.pos"]]
    assert len(good) < len(noisy["MR/rt-polarity.pos"])


def test_made_once_and_read_as_published(made, tmp_path: Path) -> None:
    root = made.books.parent
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert make_text(root.parent, TINY) == made
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert len(list(made.books.glob("*.txt"))) == 30
    assert len((made.books / "00007.txt").read_text().splitlines()) == 60
    tasks = read_tasks(made.tasks)
    assert [len(task.labels) for task in tasks.values()] == [200, 200, 200, 200, 300] and tasks["TREC"].train == 200
    again = make_text(tmp_path, TINY)
    for path in root.rglob("*.*"):
        assert path.read_bytes() == (again.books.parent / path.relative_to(root)).read_bytes()
    (again.books / "00003.txt").write_text("x\n")
    with pytest.raises(ValueError, match="00003.txt has changed .* delete"):
        make_text(tmp_path, TINY)
    (again.books.parent / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="manifest.json cannot be read"):
        make_text(tmp_path, TINY)


def test_vectors_have_the_synonyms_of_the_tasks(made) -> None:
    known = {line.partition(" ")[0] for line in made.vectors.read_text().splitlines()[1:]}
    assert len(synonyms() & known) > 0.8 * len(synonyms())
    assert json.loads((made.books.parent / "manifest.json").read_text())["config"]["books"] == 30


def test_a_bag_of_words_does_not_solve_the_tasks(tmp_path: Path) -> None:
    """At the default dials; where word order carries the class, counts of words are far from the ceiling."""
    tasks = read_tasks(make_text(tmp_path, StoriesConfig(books=20, sentences=40)).tasks)
    for name, task in tasks.items():
        said = predict(bag_of_words(task.sentences), task, LogisticConfig(folds=3, c_powers=(-10,)), lambda *_: None)
        right = (said == task.labels)[said >= 0].mean()
        chance = np.bincount(task.labels).max() / len(task.labels)
        assert chance < right < 0.8, (name, right)


def test_stories_are_endless_in_number() -> None:
    first = {next(islice(story(TINY, i), 1)) for i in range(300)}
    assert len(first) > 290
