"""Command lines and files that are wrong in at least one place, drawn from the settings of the programs."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import annotated_types as bounds
import yaml
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs import dump, flag_names

Draw = Callable[..., Any]
LONG = ["9" * 400, "9" * 4000, "9" * 5000, "1e400", "1e99999999999", "0x" + "f" * 5000]
WORDS = ["x", "", " ", "nan", "-inf", "1.5.5", "[]", "{}", "--", "-", "1 2", "\n", "\x1b[31m", "é", "=", "%s", "{0}"]
YAML = ["[]", "{}", "[1, [2]]", "2020-13-45", "!!int x", "!!set {a}", "!!python/name:os.x", "&a [*a]", "*a", "{a: 1}"]
YAML += [
    "{1: 2}",
    "{a: 1, a: 2}",
    "null",
    ".inf",
    ".nan",
    "true",
    "''",
    '"\\0"',
    '"\\ud800"',
    "-1",
    "1e400",
    "1.0e+400",
]
YAML += ["[[]]", "[{}]", "[null]", "[.nan]", "[x, 1]", "|\n   a", "1" * 5000, "'" + "9" * 5000 + "'", "[" * 1500]
YAML += [
    "[&a [1,1,1,1,1,1,1,1], " + ", ".join(f"&{b} [{','.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi")) + "]"
]
MARKS = [
    ":",
    " ",
    "\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!",
    "\t",
    "#",
    "'",
    '"',
    "? ",
    ": ",
    "%",
    "|",
    ">",
    "@",
]
MARKS += ["<<: ", "\x00", "\x07", "---\n", "...\n", "!!int ", "é", "\ufeff", "0", "1.5"]
VALUES: list[Any] = [None, [], {}, [1, [2]], "x", "", -1, 0, 1.5, 1e308, -1e308, float("inf"), float("nan"), True]
VALUES += [2**63 - 1, 2**70, 10**400, {"a": 1}, ["a", "b"], "1e3", "\0", "${nope}", "../victim", ["${args}"], [None]]
VALUES += [{"value": [1]}, {"distribution": "normal", "sigma": 1e308}, {"min": 0, "max": 2**62}, {"distribution": [1]}]
ROWS = ["null", "[1, 2]", "3", "{}", '{"frames": "x"}', '{"frames": null}', '{"frames": NaN}', "[" * 5000, "\x00", " "]
ROWS += ['{"frames": 1e299, "episodes": 1, "episode_return": 1e299}', '{"frames": 1' + "0" * 5000 + "}", "{"]
ROWS += ['{"frames": 30, "episodes": -3, "episode_return": 1}', '{"frames": 99999999999999999999}', '{"frames": true}']


class Leaf(NamedTuple):
    """A setting."""

    key: str
    flag: str
    field: FieldInfo


def leaves(model: type[BaseModel]) -> list[Leaf]:
    """All settings of a program."""
    flags = flag_names(model)
    return [Leaf(key, flags[key], field) for key, field in _fields(model, "") if key in flags]


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def kinds(annotation: Any) -> set[Any]:
    """The plain types in an annotation."""
    if get_origin(annotation) is Literal:
        return {Literal}
    if get_origin(annotation) is Annotated:
        return kinds(get_args(annotation)[0])
    inner = get_args(annotation)
    return {kind for each in inner for kind in kinds(each)} if inner else {annotation}


def wrong_words(leaf: Leaf) -> list[str]:
    """Words that are no value of this setting; none where it may be any text."""
    found = kinds(leaf.field.annotation) - {type(None)}
    if not found <= {int, float, bool, Literal}:
        return []
    words = [*WORDS, *LONG]
    for limit in leaf.field.metadata if found & {int, float} else ():
        match limit:
            case bounds.Ge(low):
                words += [str(low - 1), "-1" + "0" * 300]
            case bounds.Gt(low):
                words += [str(low), str(low - 1)]
            case bounds.Le(high):
                words += [str(high + 1), f"{high + 1:.1f}"]
            case bounds.Lt(high):
                words += [str(high), f"{high + 1:.1f}"]
    return words


def wrong_flags(model: type[BaseModel]) -> st.SearchStrategy[str]:
    """A flag with a word it does not take, or one that is not there."""
    able = [leaf for leaf in leaves(model) if wrong_words(leaf)]
    known = sorted(flag_names(model).values())

    @st.composite
    def flag(draw: Draw) -> str:
        if draw(st.integers(0, 3)):
            leaf = draw(st.sampled_from(able))
            return f"{leaf.flag}={draw(st.sampled_from(wrong_words(leaf)))}"
        name = draw(st.sampled_from(known))
        place = draw(st.integers(3, len(name)))
        return f"{name[:place]}zq{name[place:]}=1"

    return flag()


@st.composite
def damaged_text(draw: Draw, text: str) -> str:
    """`text` with something cut out of it or put into it, or soup of the marks that YAML knows."""
    if not draw(st.integers(0, 5)):
        return "".join(draw(st.lists(st.sampled_from([*MARKS, "run", "env", "a"]), max_size=30)))
    for _ in range(draw(st.integers(1, 2))):
        place, length = draw(st.integers(0, len(text))), draw(st.sampled_from([0, 0, 1, 5, 100_000]))
        text = text[:place] + draw(st.sampled_from(["", *MARKS])) + text[place + length :]
    return text


def yaml_documents(model: type[BaseModel]) -> st.SearchStrategy[str]:
    """A configuration of a program with an odd value somewhere, or damaged as a text."""
    keys = [leaf.key for leaf in leaves(model)] + list(model.model_fields)

    @st.composite
    def odd(draw: Draw) -> str:
        parts = draw(st.sampled_from(keys)).split(".")
        lines = [f"{'  ' * depth}{part}:" for depth, part in enumerate(parts)]
        return "\n".join(lines) + f" {draw(st.sampled_from(YAML))}\n"

    return st.one_of(odd(), odd(), damaged_text(dump(model())))


@st.composite
def damaged_tree(draw: Draw, tree: Any, values: Sequence[Any] = VALUES) -> Any:
    """A copy of mappings and lists in which something is missing or replaced by one of `values`."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        places = list(_places(tree))
        if not places:
            break
        above, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 3)):
            above[key] = draw(st.sampled_from(values))
        else:
            del above[key]
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


Damage = tuple[str, str, Any]  # what is done, to which file, with what


@st.composite
def damages(draw: Draw, files: Sequence[str]) -> list[Damage]:
    """One thing, sometimes two, that happens to a run directory of these files."""
    done: list[Damage] = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        how = draw(
            st.sampled_from(["missing", "folder", "pipe", "link", "empty", *["bytes", "text", "row", "setting"] * 3])
        )
        name = {"row": "metrics.jsonl", "setting": "config.yaml", "text": "config.yaml"}.get(how)
        name = name or draw(st.sampled_from(files))
        content: Any = None
        if how == "bytes":
            content = (draw(st.floats(0, 1)), draw(st.sampled_from([0, 1, 50, 10**6])), draw(st.binary(max_size=3)))
        elif how == "text":
            content = draw(st.floats(0, 1)), draw(st.sampled_from(MARKS))
        elif how == "row":
            content = draw(st.sampled_from([0, 1, 9])), draw(st.sampled_from(ROWS))
        elif how == "setting":
            keys = ["run.frames", "run.seed", "run", "env", "env.name", "env.num_envs", "network.hidden", "aux", "cpc"]
            content = draw(st.sampled_from(keys)), draw(st.sampled_from(YAML))
        done.append((how, name, content))
    return done


def do(damage: Damage, run: Path) -> None:
    """Damage the run directory `run`; see `damages`."""
    how, name, content = damage
    path = run / name
    if how in ("missing", "folder", "pipe", "link", "empty"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        make: dict[str, Callable[[], object]] = {
            "folder": path.mkdir,
            "pipe": lambda: os.mkfifo(path),
            "link": lambda: path.symlink_to("nowhere"),
            "empty": path.touch,
        }
        make.get(how, lambda: None)()
    elif path.is_file():
        raw = path.read_bytes()
        if how == "bytes":
            place = int(content[0] * len(raw))
            raw = raw[:place] + content[2] + raw[place + content[1] :]
        elif how == "text":
            place = int(content[0] * len(raw))
            raw = raw[:place] + content[1].encode() + raw[place:]
        elif how == "row":
            lines = raw.decode(errors="replace").splitlines(keepends=True)
            lines.insert(content[0], content[1] + "\n")
            raw = "".join(lines).encode()
        else:
            raw = _with_setting(raw, *content)
        path.write_bytes(raw)


def _with_setting(raw: bytes, key: str, value: str) -> bytes:
    try:
        tree = yaml.safe_load(raw)
        section, _, name = key.rpartition(".")
        (tree[section] if section else tree)[name] = "@"
    except Exception:  # it is damaged already, in whatever way
        return raw
    return yaml.safe_dump(tree).replace("'@'", value).encode("utf-8", "surrogatepass")
