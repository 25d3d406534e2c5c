"""Sentences for the synthesiser: a small grammar over several hundred words. They need not make sense."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from cpc_repr.audio.words import ADJECTIVES, ADVERBS, INTRANSITIVE, NAMES, NOUNS, NUMBERS, PREPOSITIONS, TRANSITIVE

_ONE = "the the the a a this that my your his her our their each every another"
DETERMINERS = tuple(_ONE.split())
QUANTITIES = [*NUMBERS, "some", "many", "few", "the", "the", "those", "these", "both"]
JOINTS = (", and", ", but", " while", " because", " until", ", although", ", so", " when", " before", " unless")
OPENINGS = ("Yesterday", "In the end", "At noon", "Every morning", "Last winter", "After a while", "Without a sound")
IRREGULAR = {
    "child": "children", "fish": "fish", "foot": "feet", "goose": "geese", "knife": "knives", "mouse": "mice",
    "person": "people", "sheep": "sheep", "shelf": "shelves", "thief": "thieves", "tooth": "teeth", "wolf": "wolves",
    "woman": "women",
}  # fmt: skip


def texts(seed: int) -> Iterator[str]:
    """Two sentences at a time, for ever; no sentence comes twice."""
    random = Random(f"texts {seed}")
    seen: set[str] = set()
    while True:
        pair: list[str] = []
        while len(pair) < 2:
            sentence = _sentence(random)
            if sentence not in seen:
                seen.add(sentence)
                pair.append(sentence)
        yield " ".join(pair)


def _sentence(random: Random) -> str:
    kind = random.random()
    if kind < 0.12:
        text = f"{random.choice(OPENINGS)}, {_clause(random)}"
    elif kind < 0.24:
        text = f"{_clause(random)}{random.choice(JOINTS)} {_clause(random, short=True)}"
    elif kind < 0.34:
        text = f"{random.choice(NAMES)} {random.choice(('said', 'thought'))} that {_clause(random, short=True)}"
    elif kind < 0.44:
        text = f"there were {_plural_phrase(random)} {_place(random)}"
    elif kind < 0.54:
        question = random.choice(("Why", "How"))
        return f"{question} was {_phrase(random)} more {random.choice(ADJECTIVES)} than {_phrase(random)}?"
    else:
        text = _clause(random)
    return f"{text[0].upper()}{text[1:]}."


def _clause(random: Random, short: bool = False) -> str:
    subject = _phrase(random)
    if not short and random.random() < 0.12:
        subject += f" who {random.choice(INTRANSITIVE)}"
    has_object = random.random() < 0.65
    parts = [subject, f"{random.choice(TRANSITIVE)} {_phrase(random)}" if has_object else random.choice(INTRANSITIVE)]
    if random.random() < 0.45:
        parts.append(random.choice(ADVERBS))
    if not short and random.random() < 0.45:
        parts.append(_place(random))
    return " ".join(parts)


def _phrase(random: Random) -> str:
    kind = random.random()
    if kind < 0.17:
        return random.choice(NAMES)
    if kind < 0.37:
        return _plural_phrase(random)
    noun = _described(random, random.choice(NOUNS))
    determiner = random.choice(DETERMINERS)
    return f"{'an' if determiner == 'a' and _needs_an(noun) else determiner} {noun}"


def _plural_phrase(random: Random) -> str:
    return f"{random.choice(QUANTITIES)} {_described(random, _plural(random.choice(NOUNS)))}"


def _described(random: Random, noun: str) -> str:
    return f"{random.choice(ADJECTIVES)} {noun}" if random.random() < 0.5 else noun


def _place(random: Random) -> str:
    return f"{random.choice(PREPOSITIONS)} {_phrase(random)}"


def _plural(noun: str) -> str:
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun[-1] == "y" and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _needs_an(words: str) -> bool:
    return words.startswith(("a", "e", "i", "o", "u", "honest")) and not words.startswith(("uni", "use", "usu"))
