"""One name, one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import cpc_repr


def test_every_class_has_a_name_of_its_own() -> None:
    places = defaultdict(list)
    for file in Path(cpc_repr.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(file.name)
    assert len(places) > 50
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
