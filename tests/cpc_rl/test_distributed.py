"""Ranks find together, whatever dead ones have left behind."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from configs import RunFailure
from cpc_rl.distributed import meet

SOON = timedelta(seconds=30)


def meeting(store: dist.HashStore, size: int, order: list[int] | None = None) -> set[str]:
    """The names on which `size` ranks agree that come in this order."""
    with ThreadPoolExecutor(size) as pool:
        futures = []
        for rank in order or range(size):
            futures.append(pool.submit(meet, store, rank, size, SOON))
            threading.Event().wait(0.1)  # so that they really come one after the other
        return {future.result() for future in futures}


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_ranks_agree_on_a_name_that_is_new_each_time(order):
    store = dist.HashStore()
    names = [meeting(store, 3, order) for _ in range(3)]
    assert all(len(agreed) == 1 for agreed in names)
    assert len(set.union(*names)) == 3


def test_what_a_dead_rank_has_left_is_not_taken_for_an_answer():
    store = dist.HashStore()
    (old,) = meeting(store, 2)
    assert store.get(f"{old}/1")  # it answered, and has died since
    with pytest.raises(RunFailure, match="rank 0 of 2 waits for the others, in vain"):
        meet(store, 0, 2, timedelta(seconds=0.3))


def test_a_meeting_that_others_have_held_is_not_joined():
    store = dist.HashStore()
    (old,) = meeting(store, 2)
    assert json.loads(store.get(f"{old}/all"))
    with pytest.raises(RunFailure, match="rank 1 of 2 waits for rank 0, in vain"):
        meet(store, 1, 2, timedelta(seconds=0.3))
    assert meeting(store, 2, [1, 0]) != {old}


def test_alone_there_is_nobody_to_wait_for():
    assert meet(dist.HashStore(), 0, 1, timedelta(0)).startswith("meeting-")
