"""Help texts begin with a noun or a verb and can be read without their neighbours."""

from __future__ import annotations

import re

import pytest

from tests.configs.test_bounds import models

# Words that lean on something said before, or that are neither noun nor verb.
WORDS = """
a an and as at before behind beside but by for from how if in into its of on or others out so such than that the
their then these they this those to under until what when where which who whose why with within without
"""
NO_BEGINNING = frozenset(WORDS.split())
LEANING = re.compile(r"^(\S+ ){0,4}(of|by|for|than|from|to) (that|those|these|them|it|each)\.$")


def complaint(text: str) -> str:
    """What is wrong with a help text; empty if nothing is."""
    first = re.match(r"[A-Za-z0-9]+", text)
    if first is None:
        return "begins with a sign, not a word"
    if first[0].lower() in NO_BEGINNING:
        return f"begins with {first[0]!r}"
    if first[0][0].islower() and "(" not in text.split()[0]:
        return "begins with a small letter"
    if leaning := LEANING.search(text):
        return f"leans on its neighbours: {leaning[0]!r}"
    return "" if len(text.split()) > 1 else "is a single word"


def test_every_help_text_stands_alone() -> None:
    found = {
        f"{model.__module__}.{model.__name__}.{name}: {field.description!r} {why}"
        for model in models()
        for name, field in model.model_fields.items()
        if field.description is not None and (why := complaint(field.description))
    }
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize(
    "text",
    ["Of that.", "Of each word.", "What to play.", "`adam`: torch's.", "p of it", "Learning rate of that.", "Stories."],
)
def test_what_leans_on_its_neighbours_is_found(text: str) -> None:
    assert complaint(text)
