"""YAML from anybody's hand: texts, numbers, true, false, null, lists and keys with values, within limits.

PyYAML's own safe loader makes no foreign objects, but it takes a key given twice, reads `2020-13-45` as a date and
fails, and follows 348 bytes of aliases for minutes. What this loader gives could as well have been written as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.resolver import Resolver

BYTES = 200_000  # of a file: one that is half as large takes PyYAML a second
DEPTH = 50  # of lists and sections in each other
VALUES = 100_000  # with each alias counted as what it stands for
NUMBER = 2**63  # of whole numbers; larger ones fit no field, and no float either beyond 1.8e308
PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")


def read_yaml(path: Path) -> Any:
    """What the file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too large, no UTF-8, no YAML, or says what JSON could not. The message is one line and does
            not name the file.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        raw = file.read(BYTES + 1)
    if len(raw) > BYTES:
        raise ValueError(f"more than {BYTES:,} bytes are no configuration")
    try:
        return yaml.load(raw.decode("utf-8"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"not valid YAML: {place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, that counts while it reads: it stops before anything large is made."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[yaml.Node, int] = {}  # values in each node that is complete

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > DEPTH:
            raise ConstructorError(None, None, f"more than {DEPTH} lists or sections in each other", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        assert node is not None
        if not alias:
            self._sizes[node] = 1 + sum(self._sizes[child] for child in _children(node))
        elif node not in self._sizes:
            raise ConstructorError(None, None, "an alias within what it stands for", mark)
        if self._sizes[node] > VALUES:
            raise ConstructorError(None, None, f"more than {VALUES:,} values, aliases counted", mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise ConstructorError(None, None, f"the key {_source(key)} must be text", key.start_mark)
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value} is there twice", key.start_mark)
            seen.add(key.value)
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        try:
            number: int = super().construct_yaml_int(node)
        except ValueError:  # no number, or one of more digits than Python reads
            number = NUMBER
        if abs(number) >= NUMBER:
            raise ConstructorError(None, None, f"{_source(node)} is no whole number below 2^63", node.start_mark)
        return number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        try:
            return super().construct_yaml_float(node)
        except (ValueError, OverflowError):
            raise ConstructorError(None, None, f"{_source(node)} is no number", node.start_mark) from None

    def construct_yaml_bool(self, node: yaml.ScalarNode) -> bool:
        try:
            return super().construct_yaml_bool(node)
        except KeyError:
            raise ConstructorError(None, None, f"{_source(node)} is neither true nor false", node.start_mark) from None

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        text: str = super().construct_yaml_str(node)
        if re.search("[\0\ud800-\udfff]", text):
            raise ConstructorError(None, None, "a text with a character that no file can hold", node.start_mark)
        return text

    def construct_undefined(self, node: yaml.Node) -> Any:
        raise ConstructorError(None, None, f"the tag {node.tag} has no place here", node.start_mark)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        yield from child if isinstance(child, tuple) else (child,)


def _source(node: yaml.Node) -> str:
    """What a scalar says, cut where it is long."""
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else "that is no scalar"
    return text if len(text) <= 40 else f"{text[:40]}... ({len(text):,} characters)"


# A date is a text, as is `=`: nothing here is set to one. What a file itself tags otherwise is refused.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":timestamp", ":value"))]
    for first, rules in Resolver.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {f"tag:yaml.org,2002:{kind}": getattr(_Loader, f"construct_yaml_{kind}") for kind in PLAIN}
_Loader.yaml_constructors[None] = _Loader.construct_undefined
