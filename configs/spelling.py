"""Values as sweep agents and people write them, in the spelling that flags and models read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from configs.errors import UsageError, shorten


def spell_booleans(argv: Sequence[str], flags: set[str]) -> list[str]:
    """Turn `--wandb=True` into `--wandb` and `=False` into `--no-wandb`. Raises UsageError for another value."""
    spelt = []
    for word in argv:
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        if equals and flag in flags:
            if value.lower() not in ("true", "false", "1", "0"):
                raise UsageError(f"{flag} {shorten(value)!r}: must be true or false")
            head, dot, last = flag.removeprefix("--").rpartition(".")
            word = flag if value.lower() in ("true", "1") else f"--{head}{dot}no-{last}"
        spelt.append(word)
    return spelt


def spell_values(argv: Sequence[str], flags: set[str], spell: Callable[[str], str]) -> list[str]:
    """Spell the values of these flags anew, as `spell_whole` does `--frames 1e6` and `--num-envs=14.0`."""
    spelt, takes = [], False
    for word in argv:
        flag, equals, value = word.partition("=")
        if equals and flag.replace("_", "-") in flags:
            spelt.append(f"{flag}={spell(value)}")
        else:
            spelt.append(spell(word) if takes else word)
        takes = word.replace("_", "-") in flags
    return spelt


def whole_numbers(tree: Mapping[str, Any], keys: set[str], prefix: str = "") -> dict[str, Any]:
    """The same for a file, where YAML reads 1e6 as a text."""
    spelt: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            value = whole_numbers(value, keys, f"{prefix}{name}.")
        elif isinstance(value, str) and prefix + name in keys:
            value = spell_whole(value)
        spelt[name] = value
    return spelt


def spell_none(text: str) -> str:
    """Spell `none`, as help texts have it, as `None`, which flags of numbers read."""
    return "None" if text.lower() == "none" else text


def spell_whole(text: str) -> str:
    """Spell `14.0` and `1e6` as `14` and `1000000`; anything else stays as it is."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    small = number.is_finite() and number.adjusted() < 19  # 1e999999999 would fill the memory
    return str(int(number)) if small and number == number.to_integral_value() else text
