"""Resizing, cropping, cutting, jitter and padding."""

from __future__ import annotations

import pytest
import torch

from cpc_repr.vision.data.grid import ViewConfig, crop, crops, cut, normalised, to_grey

V1 = ViewConfig()
V2 = ViewConfig(crop=260, patch=80, stride=36, jitter=0, grey=0)
TINY = ViewConfig(resize=12, crop=12, patch=4, stride=2, jitter=3, grey=0)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(256, (3, height, width), generator=draws(seed), dtype=torch.uint8)


def numbered(view: ViewConfig, batch: int = 1) -> torch.Tensor:
    """Each pixel its own number, so that a patch says where it is from."""
    side = view.crop
    return torch.arange(batch * 3 * side * side).view(batch, 3, side, side)


def test_cells_of_the_papers() -> None:
    assert (V1.cells, V2.cells, TINY.cells) == (7, 6, 5)
    assert (V1.seen, V2.seen) == (60, 80)


def test_v2_patches_tile_the_crop() -> None:
    image = numbered(V2)
    cells = cut(image, V2)
    assert cells.shape == (1, 6, 6, 3, 80, 80)
    for i in range(6):
        for j in range(6):
            assert torch.equal(cells[0, i, j], image[0, :, 36 * i : 36 * i + 80, 36 * j : 36 * j + 80])


def test_jitter_takes_60_of_64_at_places_of_its_own() -> None:
    image = numbered(V1, batch=2)
    cells = cut(image, V1, draws())
    assert cells.shape == (2, 7, 7, 3, 60, 60)
    first = cells[:, :, :, 0, 0, 0] - torch.arange(2)[:, None, None] * 3 * 256 * 256
    y, x = first // 256 - 32 * torch.arange(7)[:, None], first % 256 - 32 * torch.arange(7)
    assert y.unique().tolist() == x.unique().tolist() == [0, 1, 2, 3, 4]  # every place, none outside the patch
    assert not torch.equal(y, x) and not torch.equal(y[0], y[1])
    for b, i, j in ((0, 0, 0), (0, 6, 6), (1, 3, 5)):
        top, left = 32 * i + int(y[b, i, j]), 32 * j + int(x[b, i, j])
        assert torch.equal(cells[b, i, j], image[b, :, top : top + 60, left : left + 60])
    assert torch.equal(cells, cut(image, V1, draws())) and not torch.equal(cells, cut(image, V1, draws(1)))


def test_evaluation_takes_the_middle() -> None:
    image = numbered(V1)
    assert torch.equal(cut(image, V1)[0, 2, 3], image[0, :, 66:126, 98:158])


def test_padding_is_mid_grey_around_the_middle() -> None:
    x = normalised(torch.full((1, 3, 60, 60), 255, dtype=torch.uint8), 64)
    assert x.shape == (1, 3, 64, 64) and x[..., 2:62, 2:62].eq(2).all()
    assert x.sum() == 2 * 3 * 60 * 60  # zeros elsewhere
    assert normalised(torch.tensor([[0, 255]], dtype=torch.uint8)).tolist() == [[-2.0, 2.0]]


def test_crop_of_the_right_size_is_untouched_in_evaluation() -> None:
    p = picture(14, 12)
    assert torch.equal(crop(p, TINY, None), p[:, 1:13])


@pytest.mark.parametrize("size", [(6, 9), (30, 20), (12, 12), (13, 400)])
def test_any_size_is_resized_to_the_shorter_side(size: tuple[int, int]) -> None:
    p = torch.full((3, *size), 77, dtype=torch.uint8)
    for generator in (None, draws()):
        assert torch.equal(crop(p, TINY, generator), torch.full((3, 12, 12), 77, dtype=torch.uint8))


def test_resizing_keeps_the_form() -> None:
    half = torch.zeros(3, 48, 24, dtype=torch.uint8)
    half[:, :, 12:] = 255
    small = crop(half, TINY, None)
    assert (small[:, :, :5] < 10).all() and (small[:, :, 7:] > 245).all()


def test_training_crops_flip_and_move() -> None:
    view = TINY.model_copy(update={"resize": 14})
    p = picture(14, 14)
    places = {}
    for seed in range(200):
        found = crop(p, view, draws(seed))
        for mirrored in (False, True):
            for top in range(3):
                for left in range(3):
                    there = p[:, top : top + 12, left : left + 12]
                    if torch.equal(found, there.flip(-1) if mirrored else there):
                        places[mirrored, top, left] = places.get((mirrored, top, left), 0) + 1
    assert len(places) == 18 and sum(places.values()) == 200


def test_crops_of_random_size_take_their_share_at_any_place() -> None:
    """A picture whose red says the row and whose green says the column: a crop's corners say where it is from."""
    size, side = 100, 40
    view = ViewConfig(resize=side, crop=side, patch=8, stride=8, jitter=0, area=(0.1, 0.5), flip=0.0, grey=0.0)
    ramp = torch.arange(size, dtype=torch.uint8)
    p = torch.stack([ramp[:, None].expand(size, size), ramp.expand(size, size), torch.zeros(size, size)]).byte()
    shares, aspects, tops = [], [], []
    for seed in range(300):
        found = crop(p, view, draws(seed)).float()
        assert found.shape == (3, side, side)
        height = (found[0, -1].mean() - found[0, 0].mean()) * side / (side - 1)
        width = (found[1, :, -1].mean() - found[1, :, 0].mean()) * side / (side - 1)
        shares.append(float(height * width) / size**2)
        aspects.append(float(width / height))
        tops.append(float(found[0, 0].mean()))
    assert 0.08 < min(shares) < 0.14 and 0.45 < max(shares) < 0.52 and abs(sum(shares) / 300 - 0.3) < 0.02
    assert 0.7 < min(aspects) < 0.8 and 1.25 < max(aspects) < 1.42
    assert min(tops) < 5 and max(tops) > 50
    plain = view.model_copy(update={"area": None})
    assert torch.equal(crop(p, view, None), crop(p, plain, None))  # evaluation has no crops of random size


def test_a_random_size_shifts_nothing_else_that_is_drawn() -> None:
    """Mirroring and loss of colours are those of the same seed without it."""
    plain = ViewConfig(resize=12, crop=12, patch=4, stride=2, jitter=0, flip=0.5, grey=0.5)
    whole = plain.model_copy(update={"area": (1.0, 1.0)})
    p = torch.zeros(3, 12, 12, dtype=torch.uint8)
    p[0, :, 6:] = 255
    for seed in range(20):
        a, b = (crop(p, view, draws(seed)) for view in (plain, whole))
        assert (a[0, :, 0].float().mean() > 30) == (b[0, :, 0].float().mean() > 30)  # which half is bright
        assert torch.equal(a[0], a[1]) == torch.equal(b[0], b[1])


def test_grey() -> None:
    p = picture(12, 12)
    grey = crop(p, TINY.model_copy(update={"grey": 1.0}), None)
    assert torch.equal(grey, to_grey(p)) and torch.equal(grey[0], grey[2])
    assert (
        abs(int(grey[0, 0, 0]) - (0.299 * int(p[0, 0, 0]) + 0.587 * int(p[1, 0, 0]) + 0.114 * int(p[2, 0, 0]))) <= 0.5
    )
    some = TINY.model_copy(update={"grey": 0.5, "flip": 0.0})
    assert torch.equal(crop(p, some, None), p)  # in evaluation only certain grey counts
    both = TINY.model_copy(update={"grey": 0.5, "flip": 0.5})
    views = [p, p.flip(-1), to_grey(p), to_grey(p).flip(-1)]  # losing colours and being mirrored are drawn apart
    kinds = [[torch.equal(crop(p, both, draws(seed)), view) for view in views] for seed in range(40)]
    assert all(any(column) for column in zip(*kinds, strict=True))
    lost = [torch.equal(crop(p, some, draws(seed)), to_grey(p)) for seed in range(100)]
    assert 30 < sum(lost) < 70


def test_crops_are_drawn_one_by_one() -> None:
    view = TINY.model_copy(update={"resize": 24})
    p = picture(24, 24)
    two = crops([p, p], view, draws())
    assert two.shape == (2, 3, 12, 12) and not torch.equal(two[0], two[1])


@pytest.mark.parametrize(
    "sizes, words",
    [
        ({"jitter": 70}, "--jitter"),
        ({"crop": 301}, "--resize"),
        ({"stride": 33}, "--stride 33.*192"),
        ({"area": (0.5, 0.1)}, "--area 0.5 0.1: the smaller share comes first"),
    ],
)
def test_views_that_do_not_fit(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ViewConfig(**sizes)
    with pytest.raises(ValueError, match="256, 256"):
        cut(torch.zeros(1, 3, 10, 10), V1)
