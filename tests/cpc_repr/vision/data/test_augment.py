"""Patch augmentation: of each patch by itself, the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from cpc_repr.vision.ablations import FULL
from cpc_repr.vision.data.augment import OPERATIONS, AugmentConfig, augment, transforms

OPTIONS = ("elastic", "histogram", "colour", "grey", "drop")


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def patch() -> torch.Tensor:
    """One coloured patch with an edge: no operation leaves it as it is."""
    ramp = torch.cat([torch.linspace(41, 71, 16), torch.linspace(171, 201, 16)])
    return torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32), 230 - ramp.expand(32, 32)]).to(torch.uint8)


def test_deterministic_and_in_new_memory(patch: torch.Tensor) -> None:
    x = patch.expand(20, -1, -1, -1).clone()
    before = x.clone()
    one, two, other = augment(x, FULL, draws()), augment(x, FULL, draws()), augment(x, FULL, draws(1))
    assert torch.equal(one, two) and not torch.equal(one, other) and torch.equal(x, before)
    assert one.dtype == torch.uint8 and one.shape == x.shape


def test_off_changes_nothing(patch: torch.Tensor) -> None:
    assert torch.equal(augment(patch[None], AugmentConfig(), draws())[0], patch)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_has_its_probability_and_its_own_draw_a_patch(option: str, patch: torch.Tensor) -> None:
    x = patch.expand(300, -1, -1, -1)
    found = augment(x, AugmentConfig(**{option: 0.3}), draws())
    changed = (found != x).flatten(1).any(1)
    assert 0.2 < changed.float().mean() < 0.4
    always = augment(x, AugmentConfig(**{option: 1.0}), draws())
    assert (always != x).flatten(1).any(1).float().mean() > 0.95
    different = len(torch.unique(always, dim=0))
    assert different == {"grey": 1, "drop": 3}.get(option, different) and (
        option in ("grey", "drop") or different > 200
    )
    # What happens to a patch does not hang on how likely it was to happen.
    assert torch.equal(always[changed], found[changed])


def test_a_patch_sees_no_other(patch: torch.Tensor) -> None:
    x = patch.expand(40, -1, -1, -1).clone()
    other = x.clone()
    other[7] = 255 - other[7]
    one, two = augment(x, FULL, draws()), augment(other, FULL, draws())
    same = (one == two).flatten(1).all(1)
    assert same.sum() == 39 and not same[7]


def test_two_operations_of_autoaugment(patch: torch.Tensor) -> None:
    x = patch.expand(400, -1, -1, -1)
    one = augment(x, AugmentConfig(operations=1), draws())
    kinds = torch.unique(one, dim=0)
    # Fourteen operations; nine have a sign.
    assert len(OPERATIONS) == 14 and 20 <= len(kinds) <= 23
    two = augment(x, AugmentConfig(operations=2), draws())
    assert len(torch.unique(two, dim=0)) > 100


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("sign", [-1, 1])
def test_operations_change_a_patch_and_keep_its_form(name: str, sign: int, patch: torch.Tensor) -> None:
    found = OPERATIONS[name](transforms(), patch[None], sign)
    assert found.shape == (1, 3, 32, 32) and found.dtype == torch.uint8 and not torch.equal(found[0], patch)


def test_dropping_leaves_one_colour(patch: torch.Tensor) -> None:
    found = augment(patch.expand(60, -1, -1, -1), AugmentConfig(drop=1.0), draws())
    grey = (found == 128).flatten(2).all(2)  # [N, 3]
    assert (grey.sum(1) == 2).all() and grey.any(0).all()
    for i in range(3):
        assert (found[~grey[:, i], i] == patch[i]).all()


def test_grey_and_histogram(patch: torch.Tensor) -> None:
    grey = augment(patch[None], AugmentConfig(grey=1.0), draws())[0]
    assert torch.equal(grey[0], grey[1])
    found = augment(patch.expand(20, -1, -1, -1), AugmentConfig(histogram=1.0), draws())
    rising = found[:, 0].long().diff(dim=2)
    assert (rising >= 0).all()  # order of brightness stays
