"""Kills at random moments: the run is the one that was never killed, bit for bit."""

from __future__ import annotations

import pytest

from tests.agents.test_resume import FRAMES, same, start, tiny
from tests.kills import killed_runs

__all__ = ["tiny"]  # the fixture: a configuration file and a run that nobody disturbed


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(tiny, tmp_path):
    config, whole = tiny

    def program(*words):
        return start(*map(str, words))

    for run in killed_runs(program, ("--config", config, "--frames", FRAMES), whole, tmp_path):
        same(run, whole)
