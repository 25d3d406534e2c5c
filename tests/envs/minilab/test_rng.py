import numpy as np
import pytest

from envs.minilab.rng import EVALUATION_MIXER, new_streams, next_episode, philox, uniform

# Known answers of the Random123 library (kat_vectors, philox4x32 with 10 rounds).
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    assert [int(word) for word in philox(*(np.uint64(word) for word in counter + key))] == words


def draws(seed, *, environment=0, episode=0, count=1000, evaluation=False):
    streams = new_streams(environment + 1, seed, evaluation=evaluation)
    for _ in range(episode + 1):
        next_episode(streams, environment)
    return np.array([uniform(streams, environment) for _ in range(count)])


def test_uniform_numbers_fill_the_unit_interval_evenly():
    numbers = draws(3, count=20_000)
    assert numbers.min() >= 0 and numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03


def test_streams_of_other_seeds_environments_episodes_and_evaluation_differ():
    streams = [
        draws(0),
        draws(1),
        draws(1 << 32),
        draws(0, environment=1),
        draws(0, episode=1),
        draws(0, evaluation=True),
    ]
    for k, one in enumerate(streams):
        for other in streams[:k]:
            assert (one == other).mean() < 0.01


def test_a_stream_does_not_depend_on_the_draws_of_the_episode_before():
    streams = new_streams(1, 5, evaluation=False)
    next_episode(streams, 0)
    uniform(streams, 0)
    next_episode(streams, 0)
    assert uniform(streams, 0) == draws(5, episode=1, count=1)[0]


def test_evaluation_mixes_the_upper_half_of_the_key():
    train, test = (new_streams(1, (7 << 32) + 9, evaluation=evaluation).key for evaluation in (False, True))
    assert train.tolist() == [9, 7]
    assert test.tolist() == [9, 7 ^ EVALUATION_MIXER]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed is {seed}.*\[0, 2\*\*63\)"):
        new_streams(1, seed, evaluation=False)
