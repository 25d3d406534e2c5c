"""Sentences of the generated stories and tasks: one grammar says both, so that what stories teach can be asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from cpc_repr.text import lexicon as words
from cpc_repr.text.lexicon import Genre


@dataclass(frozen=True)
class Setting:
    """What a sentence of a story is about."""

    genre: Genre
    place: str
    object: str
    name: str
    person: str  # what the hero is: "captain"
    mood: bool  # good or bad


class Grammar:
    """Draws sentences."""

    def __init__(self, rng: random.Random, negation: float, contrast: float, synonyms: float) -> None:
        """Say moods by `negation` of the opposite and by `contrast` with it, in these shares of the sentences.

        `synonyms` is the share of the words for which a synonym stands, if there is one.
        """
        self.rng, self.negation, self.contrast, self.synonyms = rng, negation, contrast, synonyms

    def say(self, word: str) -> str:
        """The word or a synonym."""
        others = words.SYNONYMS.get(word, ())
        return self.rng.choice(others) if others and self.rng.random() < self.synonyms else word

    def one(self, choices: Sequence[str]) -> str:
        """One of the words, or a synonym of it."""
        return self.say(self.rng.choice(choices))

    def adjective(self, mood: bool, thing: bool) -> str:
        """A word for a mood, plain."""
        if thing:
            return self.one(words.THINGS_GOOD if mood else words.THINGS_BAD)
        return self.one(words.PEOPLE_GOOD if mood else words.PEOPLE_BAD)

    def mood(self, mood: bool, thing: bool) -> str:
        """A phrase for a mood: plain, by negation or by contrast; what it says stands within three words."""
        said, other = self.adjective(mood, thing), self.adjective(not mood, thing)
        draw = self.rng.random()
        if draw < self.negation:
            return f"{self.rng.choice(('not', 'never', 'not very', 'hardly', 'no longer'))} {other}"
        if draw < self.negation + self.contrast:
            return self.rng.choice((f"{other} but {said}", f"{other} and yet {said}", f"{said} although {other}"))
        return self.rng.choice(("", "very ", "still ", "quite ")) + said

    def action(self, scene: Setting) -> str:
        """What happens; a mood is said in passing, before a noun: the objective kind."""
        thing, place, verb = self.say(scene.object), self.say(scene.place), self.one(words.ACTIONS)
        person, near = self.say(scene.person), self.rng.choice(words.NEAR)
        hero = self.rng.choice((scene.name, f"the {person}", f"{scene.name} the {person}"))
        people, things = self.mood(scene.mood, thing=False), self.mood(scene.mood, thing=True)
        did = self.one(words.DID_WELL if scene.mood else words.DID_BADLY)
        return self.rng.choice(
            (
                f"the {people} {person} was {near} the {place} and {verb} the {things} {thing} .",
                f"the {things} {thing} was {verb} by the {people} {person} {near} the {place} .",
                f"{hero} {did} and was {near} the {place} and {verb} the {things} {thing} .",
                f"{near} the {place} the {people} {person} {did} and was {verb} by the {things} {thing} .",
            )
        )

    def reflection(self, scene: Setting) -> str:
        """What somebody feels or thinks, with the words of actions in another order: the subjective kind."""
        thing, place, verb = self.say(scene.object), self.say(scene.place), self.one(words.ACTIONS)
        person, near = self.say(scene.person), self.rng.choice(words.NEAR)
        hero = self.rng.choice((scene.name, f"the {person}", f"{scene.name} the {person}"))
        felt, looked = self.mood(scene.mood, thing=False), self.mood(scene.mood, thing=True)
        work = self.one(words.WORKS)
        did = self.one(words.DID_WELL if scene.mood else words.DID_BADLY)
        return self.rng.choice(
            (
                f"{hero} was {felt} and the {thing} {verb} {near} the {place} was {looked} .",
                f"the {thing} {verb} by {hero} {near} the {place} was {looked} .",
                f"{hero} {did} and was {felt} and {verb} the {thing} {near} the {place} .",
                f"{near} the {place} the {work} {hero} {verb} was {looked} and the {person} was {felt} .",
            )
        )

    def asked(self, kind: str, genre: Genre) -> str:
        """A noun that a question of the class `kind` asks for."""
        nouns = {"HUM": genre.people, "LOC": genre.places, "ENTY": genre.objects, **words.ASKED}
        return self.one(nouns[kind])

    def question(self, kind: str, scene: Setting, direct: float) -> str:
        """A question of a class of TREC; a share `direct` has a question word of its own.

        The others name two things, and ask for the one that stands behind `which`.
        """
        verb, thing, place = self.one(words.ACTIONS), self.say(scene.object), self.say(scene.place)
        if self.rng.random() < direct:
            start = {
                "HUM": f"who {verb} the {thing}",
                "LOC": f"where was the {thing}",
                "NUM": f"how many {verb} the {thing}",
                "DESC": f"why was the {thing} {verb}",
                "ENTY": f"what was {verb} {self.rng.choice(words.NEAR)} the {place}",
                "ABBR": f"what stood for the {thing}",
            }[kind]
            return f"{start} ?"
        other = self.rng.choice([name for name in words.CLASSES if name != kind])
        wanted, beside = self.asked(kind, scene.genre), self.asked(other, scene.genre)
        link = self.rng.choice(("of", "and", "beside", "with"))
        start = self.rng.choice((f"which {wanted} {link} the {beside}", f"the {beside} {link} which {wanted}"))
        return f"{start} was {verb} ?"

    def answer(self, kind: str, scene: Setting) -> str:
        """What a question of that class is followed by."""
        place, thing, person = self.say(scene.place), self.say(scene.object), self.say(scene.person)
        number = self.rng.choice(words.NUMBERS)
        noun = self.asked(kind, scene.genre)
        return self.rng.choice(
            {
                "HUM": (f"it was {scene.name} the {person} .", f"a man called {scene.name} , the {noun} ."),
                "LOC": (f"over there in the {noun} .", f"somewhere in the {place} , far from here ."),
                "NUM": (f"the {noun} was {number} .", f"{number} or {self.rng.choice(words.NUMBERS)} , all told ."),
                "DESC": (f"because the {noun} was that .", f"the {noun} is why , because it must be so ."),
                "ENTY": (f"it was a thing , the {noun} .", f"only the {thing} , and no other thing ."),
                "ABBR": (f"it is short for the {noun} .", f"the {noun} stand for it , in short ."),
            }[kind]
        )
