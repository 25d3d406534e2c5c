"""Shapes, parameter counts, and the one property all else hangs on: acting and learning see the same network."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cpc_rl.encoders import DeepEncoder, PixelConv2d, ShallowEncoder
from cpc_rl.networks import ActorCritic, NetworkConfig, RecurrentCore

SHAPE, ACTIONS = (72, 96, 3), 9


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def rows(t: int, b: int, shape=SHAPE, resets: float = 0.0):
    g = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 256, (t, b, *shape), generator=g, dtype=torch.uint8)
    action = torch.randint(0, ACTIONS, (t, b), generator=g)
    reward = torch.randn(t, b, generator=g)
    is_first = torch.rand(t, b, generator=g) < resets
    return obs, action, reward, is_first


@pytest.mark.parametrize(("encoder", "millions"), [("shallow", 1.12), ("deep", 1.52)])
def test_parameter_count_is_the_papers(encoder, millions):
    # IMPALA: 1.2 M and 1.6 M with the language branch, which the five levels do not need; 1.12 and 1.52 without.
    net = ActorCritic(NetworkConfig(encoder=encoder), SHAPE, ACTIONS)
    assert count(net) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("encoder", ["shallow", "deep"])
@pytest.mark.parametrize("core", ["lstm", "feedforward"])
@pytest.mark.parametrize("shape", [(72, 96, 3), (35, 50, 1)])
def test_shapes(encoder, core, shape):
    net = ActorCritic(NetworkConfig(encoder=encoder, core=core, features=24, hidden=20), shape, ACTIONS)
    out = net(*rows(3, 2, shape), net.initial_state(2))
    assert out.logits.shape == (3, 2, ACTIONS)
    assert out.value.shape == (3, 2)
    assert out.z.shape == (3, 2, 24)
    assert out.c.shape == (3, 2, 20)
    assert [s.shape for s in out.state] == [(2, 20), (2, 20)]


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="16x40.*20x20"):
        ActorCritic(NetworkConfig(), (16, 40, 3), ACTIONS)


def test_pixel_convolution_divides_by_255():
    conv = PixelConv2d(3, 4, 3)
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    plain = torch.nn.functional.conv2d(pixels.permute(0, 3, 1, 2) / 255, conv.weight, conv.bias)
    torch.testing.assert_close(conv(pixels), plain, rtol=1e-5, atol=1e-6)


def test_max_pool_is_tensorflows_same_padding():
    # SAME, window 3, stride 2: one row of -inf below an even picture, one above and below an odd one.
    net = ActorCritic(NetworkConfig(encoder="deep"), (36, 25, 3), ACTIONS)
    pool = net.encoder.layers[1]
    x = -torch.rand(1, 2, 36, 25)
    padded = torch.nn.functional.pad(x, (1, 1, 0, 1), value=-torch.inf)
    torch.testing.assert_close(pool(x), torch.nn.functional.max_pool2d(padded, 3, 2))


@settings(max_examples=30, deadline=None)
@given(t=st.integers(1, 12), b=st.integers(1, 4), seed=st.integers(0, 999), rate=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_fused_lstm_equals_step_by_step(t, b, seed, rate):
    torch.manual_seed(seed)
    core = RecurrentCore(5, 7)
    x, is_first = torch.randn(t, b, 5), torch.rand(t, b) < rate
    state = (torch.randn(b, 7), torch.randn(b, 7))
    fast, fast_state = core(x, is_first, state)
    slow, slow_state = core.step_by_step(x, is_first, state)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fast_state, slow_state, rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), reset=st.integers(0, 7))
def test_nothing_passes_an_episode_start(seed, reset):
    torch.manual_seed(seed)
    core = RecurrentCore(5, 7)
    x, is_first = torch.randn(8, 2, 5), torch.zeros(8, 2, dtype=torch.bool)
    is_first[reset, 0] = True
    state = (torch.randn(2, 7), torch.randn(2, 7))
    y, _ = core(x, is_first, state)
    fresh, _ = core(x[reset:], is_first[reset:], (torch.zeros(2, 7), torch.zeros(2, 7)))
    torch.testing.assert_close(y[reset:, 0], fresh[:, 0])  # environment 0 began anew at `reset`
    if reset:
        assert not torch.allclose(y[reset:, 1], fresh[:, 1])  # environment 1 went on


@pytest.mark.parametrize("encoder", ["shallow", "deep"])
def test_acting_row_by_row_equals_one_pass(encoder):
    net = ActorCritic(NetworkConfig(encoder=encoder, features=32, hidden=32), SHAPE, ACTIONS)
    inputs = rows(9, 3, resets=0.3)
    assert inputs[3][1:].any()  # resets inside the unroll
    whole = net(*inputs, net.initial_state(3))
    state = net.initial_state(3)
    for t in range(9):
        row = net(*(x[t : t + 1] for x in inputs), state)
        state = row.state
        torch.testing.assert_close(row.logits[0], whole.logits[t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state, whole.state, rtol=1e-4, atol=1e-5)


def test_last_reward_is_clipped():
    net = ActorCritic(NetworkConfig(features=16, hidden=16), SHAPE, ACTIONS)
    obs, action, reward, first = rows(2, 2)
    a = net(obs, action, torch.full_like(reward, 10.0), first, net.initial_state(2))
    b = net(obs, action, torch.full_like(reward, 1.0), first, net.initial_state(2))
    c = net(obs, action, torch.full_like(reward, 0.5), first, net.initial_state(2))
    torch.testing.assert_close(a.logits, b.logits)
    assert not torch.allclose(a.logits, c.logits)


def test_vectors_get_two_fully_connected_layers():
    net = ActorCritic(NetworkConfig(features=8, hidden=6), (5,), 3)
    assert sum(p.numel() for p in net.encoder.parameters()) == (5 + 1) * 8 + (8 + 1) * 8
    x = torch.randn(4, 2, 5)
    rows = torch.zeros(4, 2)
    out = net(x, rows.long(), rows, rows.bool(), net.initial_state(2))
    by_hand = torch.relu(net.encoder.fc2(torch.relu(net.encoder.fc1(x))))
    torch.testing.assert_close(out.z, by_hand)
    assert out.logits.shape == (4, 2, 3)


PICTURES = [(72, 96, 3), (21, 50, 1), (84, 84, 4)]


def passes(encoder: ShallowEncoder, shape: tuple[int, ...]) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """(z, gradient) of a forward pass over 6 x 2 pictures, and recalled from what six small passes kept."""
    pixels = torch.randint(0, 256, (6, 2, *shape), dtype=torch.uint8)
    grad = torch.randn(6, 2, 16)
    kept, weights = encoder.activations(6, 2, pixels.device), encoder.weights()
    with torch.no_grad():
        for t in range(6):  # as acting does
            row = encoder(pixels[t], kept.row(t), weights if t % 2 else None)
            torch.testing.assert_close(row, kept.fc[t].float())
    zs = encoder(pixels.flatten(0, 1)).view(6, 2, 16), encoder.recall(pixels, kept)
    return [(z.detach(), torch.autograd.grad(z, list(encoder.parameters()), grad)) for z in zs]


@pytest.mark.parametrize("piece", [2048, 5])  # twelve pictures at once, or in three pieces
@pytest.mark.parametrize("shape", PICTURES)
def test_recalled_activations_have_the_gradient_of_the_forward_pass(shape, piece, monkeypatch):
    monkeypatch.setattr("cpc_rl.encoders.PIECE", piece)
    torch.manual_seed(0)
    (z, wanted), (recalled, grads) = passes(ShallowEncoder(*shape, features=16), shape)
    torch.testing.assert_close(recalled, z)
    for got, want in zip(grads, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", PICTURES)
def test_bfloat16_is_the_same_network_up_to_its_rounding(shape):
    torch.manual_seed(0)
    exact, half = ShallowEncoder(*shape, features=16), ShallowEncoder(*shape, features=16, dtype=torch.bfloat16)
    half.load_state_dict(exact.state_dict())
    torch.manual_seed(1)
    _, (wanted_z, wanted) = passes(exact, shape)
    torch.manual_seed(1)
    for z, grads in passes(half, shape):
        assert z.dtype == torch.float32 and not torch.equal(z, wanted_z)
        torch.testing.assert_close(z, wanted_z, rtol=0.05, atol=0.05 * wanted_z.std().item())
        for got, want in zip(grads, wanted, strict=True):
            assert got.dtype == torch.float32 and got.shape == want.shape
            assert F.cosine_similarity(got.flatten(), want.flatten(), dim=0) > 0.99
            assert got.norm() / want.norm() == pytest.approx(1, abs=0.05)


def test_the_deep_encoder_takes_bfloat16_too():
    torch.manual_seed(0)
    exact = DeepEncoder(24, 28, 3, 16)
    half = DeepEncoder(24, 28, 3, 16, torch.bfloat16)
    half.load_state_dict(exact.state_dict())
    pixels = torch.randint(0, 256, (5, 24, 28, 3), dtype=torch.uint8)
    z, wanted = half(pixels), exact(pixels)
    assert z.dtype == torch.float32 and not torch.equal(z, wanted)
    torch.testing.assert_close(z, wanted, rtol=0.05, atol=0.05 * wanted.std().item())
