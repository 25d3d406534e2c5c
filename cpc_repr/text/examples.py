"""The five generated tasks, in the sense and the sizes of SentEval's: what stories teach, asked with other words."""

from __future__ import annotations

import random

from cpc_repr.text import lexicon as words
from cpc_repr.text.grammar import Grammar
from cpc_repr.text.senteval import BINARY, TREC
from cpc_repr.text.stories import DIRECT, StoriesConfig, setting_of_no_story


def draw_tasks(config: StoriesConfig) -> dict[str, list[str]]:
    """Lines of each file of each task, by its name in SentEval's folder.

    MR and CR ask for the mood of sentences, of stories and of things; MPQA for that of phrases; SUBJ for reflection
    against action; TREC for what a question wants.
    """
    lines: dict[str, list[str]] = {file: [] for files in (*BINARY.values(), TREC) for file in files}
    for task, files in BINARY.items():
        rng = random.Random(f"{config.seed} {task}")
        grammar = Grammar(rng, config.negation, config.contrast, config.synonyms)
        for i in range(config.examples):
            label = i % 2
            shown = label ^ (rng.random() < config.noise)
            lines[files[shown]].append(_sentence(grammar, task, bool(label)))
    rng = random.Random(f"{config.seed} TREC")
    grammar = Grammar(rng, config.negation, config.contrast, config.synonyms)
    for i in range(config.examples * 3 // 2):
        kind = rng.choice(words.CLASSES)
        shown_kind = rng.choice(words.CLASSES) if rng.random() < config.noise else kind
        question = grammar.question(kind, setting_of_no_story(rng, rng.random() < 0.5), DIRECT)
        lines[TREC[i >= config.examples]].append(f"{shown_kind}:{shown_kind.lower()} {question}")
    return lines


def _sentence(grammar: Grammar, task: str, label: bool) -> str:
    """A sentence of the class 1 or 0."""
    rng = grammar.rng
    scene = setting_of_no_story(rng, rng.random() < 0.5 if task == "SUBJ" else label)
    if task == "SUBJ":  # objective is 1, as in SentEval
        return grammar.action(scene) if label else grammar.reflection(scene)
    work, person, place = grammar.one(words.WORKS), grammar.say(scene.person), grammar.say(scene.place)
    thing, near = grammar.say(scene.object), rng.choice(words.NEAR)
    looked, felt = grammar.mood(label, thing=True), grammar.mood(label, thing=False)
    if task == "MR":
        return rng.choice(
            (
                f"the {work} was {looked} .",
                f"the {work} {near} the {place} was {looked} and the {person} was {felt} .",
                f"the {person} {near} the {place} was {felt} in the {work} .",
                f"{looked} was the {work} and the {person} .",
            )
        )
    if task == "CR":
        return rng.choice(
            (
                f"the {thing} was {looked} .",
                f"the {person} sold the {thing} and it was {looked} .",
                f"{near} the {place} the {thing} was {looked} .",
                f"it was {looked} , the {thing} the {person} {grammar.one(words.ACTIONS)} .",
            )
        )
    return rng.choice((looked, felt, f"was {felt}", f"{looked} the {thing}", f"the {person} {felt}"))
