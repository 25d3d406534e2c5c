from __future__ import annotations

import pytest

from envs import EnvConfig
from tests.envs.dmlab.double import installed


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The double, and a temporary folder of its own for all that is put into temporary folders."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    with installed(tmp_path) as double:
        double.temporary = temporary
        yield double


@pytest.fixture
def make(lab, tmp_path):
    """Builds a DMLabEnv on the double; all are closed at the end."""
    from envs.dmlab import DMLabEnv

    envs = []

    def build(name="rooms_watermaze", num_envs=2, seed=0, *, evaluation=False, **settings):
        settings = {"height": 24, "width": 24, "dmlab_cache": tmp_path / "cache", "env_timeout": 20.0, **settings}
        config = EnvConfig(name=name, backend="dmlab", num_envs=num_envs, **settings)
        envs.append(DMLabEnv(config, seed, evaluation=evaluation))
        return envs[-1]

    yield build
    for env in envs:
        env.close()
