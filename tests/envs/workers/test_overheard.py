from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from envs.errors import Incurable
from envs.workers.overheard import SAID, overheard


def talk():
    ctypes.CDLL(None).puts(b"engine")
    subprocess.run(["sh", "-c", "echo child; echo complaint >&2"], check=True)
    os.write(2, b"error\n")


WORDS = {"engine", "child", "complaint", "error"}


def test_what_is_said_is_kept_and_told_on_standard_error(tmp_path, capfd):
    with overheard(tmp_path) as said:
        talk()
        assert set(said().split()) == WORDS == set((tmp_path / SAID).read_text().split())
        assert capfd.readouterr() == ("", "")
    out, err = capfd.readouterr()
    assert out == "" and set(err.split()) == WORDS and not list(tmp_path.iterdir())
    os.write(1, b"out\n")
    os.write(2, b"err\n")
    assert capfd.readouterr() == ("out\n", "err\n")


def test_other_errors_are_told_and_an_incurable_one_stands_for_all_of_it(tmp_path, capfd):
    for error in (KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), overheard(tmp_path):
            talk()
            raise error
        assert set(capfd.readouterr().err.split()) == WORDS
    with pytest.raises(Incurable), overheard(tmp_path):
        talk()
        raise Incurable("no zip")
    assert capfd.readouterr() == ("", "") and not list(tmp_path.iterdir())
