from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envs.dmlab.cache import LEFTOVER_SECONDS, LevelCache
from tests.envs.dmlab.double import frames
from tests.envs.processes import ROOT

MAP = bytes(range(256)) * 100


@pytest.fixture
def pk3(tmp_path):
    path = tmp_path / "map.pk3"
    path.write_bytes(MAP)
    return str(path)


def fetched(cache, key, tmp_path):
    out = tmp_path / "out.pk3"
    found = cache.fetch(key, str(out))
    content = out.read_bytes() if out.exists() else None
    out.unlink(missing_ok=True)
    return content if found else (None if content is None else "a miss must not leave a file")


def test_what_is_written_is_fetched(tmp_path, pk3):
    cache = LevelCache(tmp_path / "a" / "b")
    assert fetched(cache, "key", tmp_path) is None
    cache.write("key", pk3)
    assert fetched(cache, "key", tmp_path) == MAP
    assert fetched(LevelCache(tmp_path / "a" / "b"), "key", tmp_path) == MAP
    assert fetched(cache, "Key", tmp_path) is None
    (tmp_path / "other").write_bytes(b"other")
    cache.write("key", str(tmp_path / "other"))
    assert fetched(cache, "key", tmp_path) == b"other"
    assert len(os.listdir(tmp_path / "a" / "b")) == 1


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/b", "..", "", "x" * 5000, "nul\0", "ä\n", "a b"])
def test_no_key_leads_out_of_the_folder(tmp_path, pk3, key):
    folder = tmp_path / "cache"
    cache = LevelCache(folder)
    cache.write(key, pk3)
    cache.write(key + "_", str(pk3))
    assert fetched(cache, key, tmp_path) == MAP
    assert sorted(path.parent for path in folder.rglob("*")) == [folder] * 2
    assert sorted(os.listdir(tmp_path)) == ["cache", "map.pk3"]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40], lambda d: d[:-9] + b"x" + d[-8:]]
)
def test_a_damaged_entry_is_a_miss_and_is_replaced(tmp_path, pk3, capsys, damage):
    cache = LevelCache(tmp_path / "cache")
    cache.write("key", pk3)
    (entry,) = (tmp_path / "cache").iterdir()
    for _ in range(2):
        entry.write_bytes(damage(entry.read_bytes()))
        assert fetched(cache, "key", tmp_path) is None
        cache.write("key", pk3)
        assert fetched(cache, "key", tmp_path) == MAP
    assert capsys.readouterr().err.count("is damaged;") == 1


def test_a_bad_folder_is_said_once_and_stops_nothing(tmp_path, pk3, capsys):
    (tmp_path / "file").write_text("in the way")
    cache = LevelCache(tmp_path / "file")
    cache.write("key", pk3)
    assert fetched(cache, "key", tmp_path) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "file" in line
    LevelCache(tmp_path / "file", warn=False).write("key", pk3)
    assert not capsys.readouterr().err


def test_all_that_goes_wrong_is_said_for_the_engine_swallows_it(tmp_path, pk3, capsys):
    cache = LevelCache(tmp_path / "cache")
    cache.write("key", pk3)
    for call in (lambda cache: cache.fetch("key", "nul\0"), lambda cache: cache.write("key", "nul\0")):
        assert not call(LevelCache(tmp_path / "cache"))
        assert "level cache: embedded null byte" in capsys.readouterr().err
    assert fetched(cache, "key", tmp_path) == MAP


def test_a_full_disk_stops_nothing(tmp_path, pk3, capsys):
    """A limit on the size of files stands in for it."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from envs.dmlab.cache import LevelCache\n"
        "cache = LevelCache(Path(sys.argv[1])); cache.write('key', sys.argv[2])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "cache.write('other', sys.argv[2]); print(cache.fetch('key', sys.argv[3]), cache.fetch('other', sys.argv[3]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), pk3, str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"] and len(done.stderr.splitlines()) == 1
    assert len(os.listdir(tmp_path / "cache")) == 1 and not (tmp_path / "out").exists()
    assert fetched(LevelCache(tmp_path / "cache"), "key", tmp_path) == MAP


def test_a_cleared_folder_is_made_again_and_what_was_left_half_written_goes(tmp_path, pk3):
    folder = tmp_path / "cache"
    cache = LevelCache(folder)
    folder.rmdir()
    cache.write("key", pk3)
    assert fetched(cache, "key", tmp_path) == MAP
    for name, age in (("old.tmp", 2 * LEFTOVER_SECONDS), ("new.tmp", 0)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    LevelCache(folder)
    assert {path.suffix for path in folder.iterdir()} == {".map", ".tmp"} and not (folder / "old.tmp").exists()


def test_two_processes_at_once(tmp_path):
    """Each writes and reads the same few entries, all the time; every map that is fetched is whole."""
    code = (
        "import os, sys; from pathlib import Path; from envs.dmlab.cache import LevelCache\n"
        "cache, own = LevelCache(Path('cache')), Path(sys.argv[1] + '.pk3')\n"
        "for n in range(200):\n"
        "    data = sys.argv[1].encode() * (1000 + n); own.write_bytes(data); cache.write(f'key{n % 3}', str(own))\n"
        "    assert cache.fetch(f'key{(n + 1) % 3}', str(own)) or n < 3\n"
        "    assert len(set(own.read_bytes())) == 1\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = [subprocess.Popen([sys.executable, "-c", code, c], cwd=tmp_path, env=env, stderr=-1) for c in "ab"]
    for process in start:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0 and not err, err.decode()
    assert len(list(Path(tmp_path, "cache").iterdir())) == 3


def test_workers_and_runs_share_maps(lab, make):
    lab.set(episode_frames=8)
    one = make("explore_goal_locations_small", dmlab_seeds=2)
    one.reset()
    two = make("explore_goal_locations_small", dmlab_seeds=2, seed=5)
    for _ in range(3):
        two.reset()
        one.reset()
    compiled, hits = lab.log("compile"), lab.log("hit")
    assert 2 <= len({c[1] for c in compiled}) <= len(compiled) <= 4  # two at the same moment may compile the same
    assert len(compiled) + len(hits) == 14


def test_a_damaged_entry_does_not_end_a_worker(lab, make, tmp_path, capfd):
    env = make("explore_goal_locations_small", num_envs=1, dmlab_seeds=1)
    env.reset()
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(entry.read_bytes()[:-100])
    assert frames(env.reset())[0].frames == 0
    assert len(lab.log("compile")) == 2 and "is damaged;" in (err := capfd.readouterr().err) and "restarted" not in err


def test_what_is_wrong_with_the_cache_is_said_by_one_only(lab, make, tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    make("explore_goal_locations_small", num_envs=3, dmlab_cache=tmp_path / "file").reset()
    assert capfd.readouterr().err.count("level cache: ") == 1
    env = make("explore_goal_locations_small", num_envs=3, dmlab_seeds=1)
    env.reset()
    (entry,) = (tmp_path / "cache").iterdir()
    entry.unlink()
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("in the way")
    env.reset()
    assert capfd.readouterr().err.count("level cache: ") == 1
