"""DP-SGD in lanes: each text's own gradient, clipped, with as much noise as was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.llm.adapters.base import AdapterKind, Layout
from sim.llm.adapters.ia3 import Ia3
from sim.llm.adapters.lora import Lora
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import collate, lane_losses
from sim.llm.training.finetune import finetune
from sim.llm.training.progress import Lane, Plan
from sim.privacy.losses import text_losses
from sim.privacy.training import Mechanism, clipped, gradients, train_privately

LORA = Lora(4, 8.0)
EVERY_KIND = pytest.mark.parametrize("kind", [LORA, Ia3()], ids=lambda kind: kind.name)
PLAIN = Mechanism(steps=4, sampling=1.0, clip=1e6, noise=0.0, weight_decay=0.01)


def texts(key: int, count: int, same: int = 0) -> list[Encoded]:
    """Random texts, all with `same` tokens where that is given."""
    rng = np.random.default_rng([9000, key])
    lengths = [same or int(rng.integers(6, 24)) for _ in range(count)]
    return [Encoded(rng.integers(4, 300, n).astype(np.int32), 3) for n in lengths]


def lane(key: int, layout: Layout, count: int = 6, same: int = 0) -> Lane[int]:
    start = layout.fresh(np.random.default_rng(key))
    start += 0.02 * torch.randn(layout.size, generator=torch.Generator().manual_seed(key))
    rng = np.random.default_rng([7, key])
    return Lane(key=key, start=start, texts=texts(key, count, same), rng=rng, lr=5e-3 - 1e-3 * key)


@EVERY_KIND
def test_gradients_are_those_of_batches_of_one_text(kind: AdapterKind, tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = kind.on(lm.model)
    layers, some = Lanes(lm.model, layout), [lane(key, layout) for key in range(3)]
    adapters = torch.stack([each.start for each in some for _ in each.texts])
    rows = [text for each in some for text in each.texts]
    together = gradients(lm, layers, adapters, rows)
    for i, text in enumerate(rows):
        own = adapters[i : i + 1].clone().requires_grad_()
        with layers.active(layout.views(own)):
            loss, count = lane_losses(lm, collate([text], 1, lm))
        (alone,) = torch.autograd.grad((loss / count).sum(), own)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=1e-4)
    norms = clipped(together, float(together.norm(dim=1).median())).norm(dim=1)
    torch.testing.assert_close(norms, together.norm(dim=1).clamp(max=float(together.norm(dim=1).median())))


@EVERY_KIND
def test_without_noise_and_clipping_a_step_is_an_ordinary_one(kind: AdapterKind, tiny_llm: Path) -> None:
    """All texts in every step, of one length: the ordinary loss is the mean over tokens, the private one over texts."""
    lm = LanguageModel(tiny_llm)
    layout = kind.on(lm.model)
    layers = Lanes(lm.model, layout)
    plan = Plan(steps=4, batch=6, weight_decay=0.01, max_grad_norm=0.0, evaluate_every=4)
    done = {r.key: r for r in finetune(lm, layers, [lane(key, layout, same=12) for key in range(3)], plan)}
    lanes = [lane(key, layout, same=12) for key in range(3)]
    for width in (1, 5, 64):
        for made in train_privately(lm, layers, [replace(each) for each in lanes], PLAIN, width):
            own = done[made.key]
            assert own.adapter is not None
            torch.testing.assert_close(made.adapter, own.adapter, atol=2e-5, rtol=1e-4)
            assert (made.texts, made.tokens) == (4 * 6, own.train_tokens)
            assert not torch.allclose(made.adapter, lanes[made.key].start, atol=1e-3)


def test_no_text_weighs_more_than_the_clipping_norm(tiny_llm: Path) -> None:
    """One text of others that is left out changes the sum by no more: plain gradient descent shows the sum."""
    lm = LanguageModel(tiny_llm)
    layout = LORA.on(lm.model)
    layers, one = Lanes(lm.model, layout), lane(0, layout)
    grads = gradients(lm, layers, one.start.expand(6, -1).clone(), one.texts)
    clip = float(grads.norm(dim=1).min()) / 2
    whole, less = clipped(grads, clip).sum(0), clipped(grads[1:], clip).sum(0)
    assert float((whole - less).norm()) == pytest.approx(clip, rel=1e-5)


def test_noise_has_the_stated_deviation(tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sum of a step's clipped gradients: noise times clip. Seen before the optimiser."""
    lm = LanguageModel(tiny_llm)
    layout = LORA.on(lm.model)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr("sim.privacy.training.LaneOptimizer.update", lambda _, theta, grad, *rest: seen.append(grad))
    lanes, mechanism = [lane(0, layout), lane(1, layout, count=9)], replace(PLAIN, steps=3, clip=0.05, sampling=0.5)

    def sums(noise: float) -> torch.Tensor:
        """(steps, lanes, size), with the same draws of texts: lanes' random streams begin anew."""
        seen.clear()
        again = [replace(each, rng=np.random.default_rng([7, each.key])) for each in lanes]
        list(train_privately(lm, Lanes(lm.model, layout), again, replace(mechanism, noise=noise), 8))
        expected = torch.tensor([0.5 * 6, 0.5 * 9])[None, :, None]
        return torch.stack(seen) * expected

    noise = sums(3.0) - sums(0.0)
    assert float(noise.std()) == pytest.approx(3.0 * 0.05, rel=0.02)
    assert abs(float(noise.mean())) < 0.01
    flat = noise.reshape(6, -1)  # of steps and lanes, each apart from all others
    assert float((torch.corrcoef(flat) - torch.eye(6)).abs().max()) < 0.1


def test_each_text_is_drawn_by_itself(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = Lora(1, 2.0, ("q_proj",)).on(lm.model)
    lanes = [lane(key, layout, count=10, same=6) for key in range(4)]
    made = list(train_privately(lm, Lanes(lm.model, layout), lanes, replace(PLAIN, steps=50, sampling=0.3), 16))
    read = np.array([one.texts for one in made])
    assert len(set(read)) > 1
    assert abs(read.mean() - 150) < 3 * (500 * 0.3 * 0.7 / 4) ** 0.5
    none = list(train_privately(lm, Lanes(lm.model, layout), lanes, replace(PLAIN, steps=1, sampling=1e-9), 16))
    assert [one.texts for one in none] == [0] * 4  # a step without any text is a step: noise alone
    assert all(torch.isfinite(one.adapter).all() for one in none)


def test_who_trains_beside_whom_does_not_matter(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = LORA.on(lm.model)
    layers, mechanism = Lanes(lm.model, layout), replace(PLAIN, clip=0.1, noise=0.5, sampling=0.5)
    together = list(train_privately(lm, layers, [lane(key, layout) for key in range(3)], mechanism, 4))
    for one in together:
        (alone,) = train_privately(lm, layers, [lane(one.key, layout)], mechanism, 16)
        torch.testing.assert_close(one.adapter, alone.adapter, atol=1e-5, rtol=1e-4)
        assert one.texts == alone.texts


def test_losses_of_texts_are_those_of_each_alone(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = LORA.on(lm.model)
    layers, one = Lanes(lm.model, layout), lane(2, layout, count=9)
    found = text_losses(lm, layers, one.start, one.texts)
    for text, loss in zip(one.texts, found, strict=True):
        with torch.no_grad(), layers.serving(one.start[None]):
            total, count = lane_losses(lm, collate([text], 1, lm))
        assert loss == pytest.approx(float(total / count), abs=1e-5)
