"""Ranks find together, whatever dead ones have left behind."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from configs import Frozen, RunFailure, UsageError
from cpc_rl import distributed
from cpc_rl.distributed import ProcessGroup, joined, meet

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


def test_a_rank_of_another_size_is_told_at_once():
    store = dist.HashStore()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(meet, store, 0, 2, timedelta(seconds=1))
        with pytest.raises(RunFailure, match="rank 1 is one of 3, and rank 0 one of 2: WORLD_SIZE must be the same"):
            meet(store, 1, 3, SOON)
        with pytest.raises(RunFailure, match="in vain"):
            first.result()


class Settings(Frozen):
    aux: str = "cpc"
    seed: int = 1


class Told(ProcessGroup):
    """Rank 1 of 2; rank 0 said what is given."""

    def __init__(self, complaint: str, first: Settings | None = None) -> None:
        super().__init__(1, 2)
        self.first = (complaint, {} if first is None else first.model_dump(mode="json"))

    def collect(self, value):
        return [self.first, value]


def refuse() -> Settings:
    raise UsageError("unknown flag --see")


def test_ranks_agree_on_one_configuration_or_all_complain():
    assert Told("", Settings()).agree(Settings) == Settings()
    for told, make, words in (
        (Told("", Settings(seed=2)), Settings, "ranks differ: seed is 2 on rank 0 and 1 on rank 1"),
        (Told("", Settings()), refuse, "rank 1: unknown flag --see"),
        (Told("unknown flag --see"), Settings, "rank 0: unknown flag --see"),
        (Told("unknown flag --see"), refuse, "unknown flag --see"),
    ):
        with pytest.raises(UsageError, match=f"^{words}$") as caught:
            told.agree(make)
        assert caught.value.shared  # one rank says it for all


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two': torchrun sets it to a number"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'"),
        ({"WORLD_SIZE": "2"}, "RANK is ''"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK is '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK is 2: of WORLD_SIZE 2 processes the last one is 1"),
    ],
)
def test_environment_variables_that_do_not_fit_are_refused(values, words, monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words), joined():
        pass


def test_waiting_is_told_after_a_while(monkeypatch, capsys):
    monkeypatch.setattr(distributed, "SILENCE", 0.05)
    with distributed._patience("rank 0 of 2 waits for the others"):
        threading.Event().wait(0.5)
    assert capsys.readouterr().err == "rank 0 of 2 waits for the others, for 10 minutes at most\n"
    monkeypatch.setattr(distributed, "SILENCE", 30)
    with distributed._patience("rank 0 of 2"):
        pass
    assert capsys.readouterr().err == ""
