"""Where generated data is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpc_repr.cache import cache_folder


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("speech") == tmp_path / "cpc-rl" / "speech"
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder("text") == Path.home() / ".cache" / "cpc-rl" / "text"
