"""Files that somebody else laid out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cpc_repr.files import check_regular, digest, visible_files


def test_hidden_files_and_pipes_are_passed_over(tmp_path: Path) -> None:
    for name in ("b/1.txt", "a.txt", "b/0.TXT", ".hidden.txt", "b/.ipynb_checkpoints/1.txt", "b/notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "linked.txt").symlink_to(tmp_path / "a.txt")
    found = [str(path.relative_to(tmp_path)) for path in visible_files(tmp_path, {".txt"})]
    assert found == ["a.txt", "linked.txt", "b/0.TXT", "b/1.txt"]


def test_what_is_read_must_be_a_file_or_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    check_regular(tmp_path / "file")
    check_regular(tmp_path / "nothing")
    for name in ("pipe", "."):
        with pytest.raises(ValueError, match="is not a regular file"):
            check_regular(tmp_path / name)


def test_a_digest_is_of_values_whatever_their_layout_and_stays_the_same_for_ever() -> None:
    values = np.arange(6).reshape(2, 3)
    known = "9f0111e3f0d17d2e5941792edc8d11eadab1abd2d19ff2b1b9ea51f8183166ef"
    assert digest(["a", 1], values) == digest(["a", 1], np.asfortranarray(values)) == known
    others = [digest(["a", 2], values), digest(["a", 1], values.T), digest(["a", 1], values, np.zeros(1))]
    assert len({known, *others}) == 4
