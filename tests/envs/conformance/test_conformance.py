"""Every back end keeps every promise."""

import pytest

from tests.envs.conformance.cases import CASES
from tests.envs.conformance.checks import CHECKS, check_failure, check_lost_rows
from tests.envs.conformance.recording import close_shared
from tests.envs.conformance.scripted import SCRIPTED_CHECKS

PAIRS = [
    (case, check)
    for case in CASES
    for check in CHECKS
    + (SCRIPTED_CHECKS if case.read is not None else [])
    + ([check_failure] if case.failing is not None else [])
    + ([check_lost_rows] if case.losing is not None else [])
]


@pytest.fixture(scope="module", autouse=True)
def _closed():
    yield
    close_shared()


@pytest.mark.parametrize(
    ("case", "check"), PAIRS, ids=[f"{case.name}-{check.__name__.removeprefix('check_')}" for case, check in PAIRS]
)
def test_it_conforms(case, check):
    pytest.importorskip(case.needs)
    with case.around():
        check(case)
