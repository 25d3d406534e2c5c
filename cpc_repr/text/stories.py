"""Stories with latent genre, hero, place, mood and course.

Moods and modes (action or reflection) come in runs whose length is the course of the story: one sentence does not say
when its run began, its context does. Questions are answered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from configs import Frozen
from cpc_repr.text.grammar import Grammar, Setting
from cpc_repr.text.lexicon import ALAS, CLASSES, GENRES, LUCKILY, NAMES

DIRECT = 0.3  # share of questions with a question word of their own
DETOURS = 0.4  # share of sentences whose mode is not the course's: it is told too easily
PLAINER = 0.5  # stories negate and contrast this much less than tasks do
COURSES = (4, 12, 1000)  # sentences of one mood: a restless story, a slow one, a steady one


class StoriesConfig(Frozen):
    """Generated stories and tasks: how much, and how hard."""

    books: int = Field(default=600, ge=4, le=100_000, description="Number of stories, each a book.")
    sentences: int = Field(default=80, ge=20, le=100_000, description="Sentences of each story.")
    examples: int = Field(default=1000, ge=20, le=100_000, description="Sentences of each task; half of TREC's test.")
    negation: float = Field(default=0.2, ge=0, le=1, description="Share of moods said by negating the opposite.")
    contrast: float = Field(default=0.2, ge=0, le=1, description="Share of moods said by contrast.")
    hints: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the sentences of stories that begin by a word "
        "for their mood (`alas, ...`), which those of tasks never do.",
    )
    synonyms: float = Field(default=0.5, ge=0, le=1, description="Share of task words the books do not have.")
    questions: float = Field(default=0.06, ge=0, le=1, description="Chance that a sentence is a question.")
    wander: float = Field(default=0.04, ge=0, le=1, description="Chance that a sentence's mood leaves the course.")
    noise: float = Field(default=0.03, ge=0, le=0.5, description="Share of wrong labels in the tasks.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything drawn.")


def story(config: StoriesConfig, number: int, kind: str = "book", synonyms: float = 0.0) -> Iterator[str]:
    """Sentences of story `number`, as words with spaces between them.

    Args:
        config: The dials.
        number: Each is another story.
        kind: So is each kind.
        synonyms: Share of words a synonym stands for.
    """
    rng = random.Random(f"{config.seed} {kind} {number}")
    grammar = Grammar(rng, config.negation * PLAINER, config.contrast * PLAINER, synonyms)
    genre = rng.choice(GENRES)
    hero, friend = ((name, rng.choice(genre.people)) for name in rng.sample(NAMES, 2))
    course, start = rng.choice(COURSES), rng.randrange(100)
    good = rng.random() < 0.5
    modes = rng.choice((2, 4))
    pending: list[str] = []  # classes of answers to come
    for t in range(start, start + config.sentences):
        mood = good ^ bool(t // course % 2) ^ (rng.random() < config.wander)
        name, person = hero if rng.random() < 0.7 else friend
        scene = Setting(genre, rng.choice(genre.places), rng.choice(genre.objects), name, person, mood)
        if pending:
            yield grammar.answer(pending.pop(), scene)
        elif rng.random() < config.questions:
            asked = rng.choice(CLASSES)
            pending = [asked, asked]
            yield grammar.question(asked, scene, DIRECT)
        else:
            inner = bool(t // modes % 2) ^ (rng.random() < DETOURS)
            line = grammar.reflection(scene) if inner else grammar.action(scene)
            hint = f"{LUCKILY if mood else ALAS} , " if rng.random() < config.hints else ""
            yield hint + line


def setting_of_no_story(rng: random.Random, mood: bool) -> Setting:
    """A scene of no story."""
    genre = rng.choice(GENRES)
    return Setting(
        genre, rng.choice(genre.places), rng.choice(genre.objects), rng.choice(NAMES), rng.choice(genre.people), mood
    )
