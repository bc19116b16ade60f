"""Lanes train exactly as separate PEFT runs, and their adapters are plain PEFT adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sim.llm.adapters.base import AdapterKind, Layout
from sim.llm.adapters.ia3 import Ia3
from sim.llm.adapters.lora import Lora
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.finetune import epochs, evaluate, finetune
from sim.llm.training.progress import Lane, Plan

PLAN = Plan(steps=12, batch=3, weight_decay=0.01, max_grad_norm=1.0, evaluate_every=4, width=3)
LORA = Lora(4, 8.0)
EVERY_KIND = pytest.mark.parametrize("kind", [LORA, Ia3()], ids=lambda kind: kind.name)


def rows(rng: np.random.Generator, count: int, longest: int) -> list[Encoded]:
    out = []
    for _ in range(count):
        length = int(rng.integers(6, longest))
        out.append(Encoded(rng.integers(4, 300, length).astype(np.int32), int(rng.integers(1, 5))))
    return out


def lane(key: int, layout: Layout, target: float | None = None) -> Lane[int]:
    rng = np.random.default_rng(key)
    return Lane(
        key=key,
        start=layout.fresh(rng),
        texts=rows(rng, 5 + key, 10 + 3 * key),
        held_out=rows(rng, 4 + key % 3, 20),
        rng=np.random.default_rng([7, key]),
        lr=5e-3 - 5e-4 * key,
        target=target,
    )


def peft_run(folder: Path, start: Path, lane: Lane[int], plan: Plan) -> tuple[list[float], dict[str, torch.Tensor]]:
    """What a user would write for one phone: PEFT, torch's AdamW, one batch after another."""
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder)
    model = PeftModel.from_pretrained(base, start, is_trainable=True)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lane.lr, weight_decay=plan.weight_decay)
    order, losses = epochs(lane.rng, len(lane.texts), plan.batch), []

    def mean_loss(batch: list[Encoded]) -> torch.Tensor:
        longest = max(map(len, batch))
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for i, row in enumerate(batch):
            ids[i, : len(row)] = torch.from_numpy(row.ids).long()
            labels[i, row.answer_start : len(row)] = ids[i, row.answer_start : len(row)]
            mask[i, : len(row)] = 1
        return model(input_ids=ids, attention_mask=mask, labels=labels).loss

    for step in range(plan.steps + 1):
        if step % plan.evaluate_every == 0:
            with torch.no_grad():
                losses.append(float(mean_loss(list(lane.held_out))))
        if step == plan.steps:
            break
        mean_loss([lane.texts[i] for i in next(order)]).backward()
        torch.nn.utils.clip_grad_norm_(parameters, plan.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses, get_peft_model_state_dict(model)


@EVERY_KIND
def test_eight_lanes_equal_eight_peft_runs(kind: AdapterKind, tiny_llm: Path, tmp_path: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = kind.on(lm.model)
    lanes = [lane(key, layout) for key in range(8)]
    for each in lanes:
        layout.save(tmp_path / str(each.key), each.start, str(tiny_llm))
    done = {r.key: r for r in finetune(lm, Lanes(lm.model, layout), lanes, PLAN)}
    assert sorted(done) == list(range(8))
    for key in range(8):
        losses, tensors = peft_run(tiny_llm, tmp_path / str(key), lane(key, layout), PLAN)
        assert [s for s, _ in done[key].curve] == [0, 4, 8, 12]
        np.testing.assert_allclose([loss for _, loss in done[key].curve], losses, atol=1e-4)
        torch.testing.assert_close(done[key].adapter, layout.from_state_dict(tensors), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(done[key].adapter, lanes[key].start, atol=1e-3)  # it did train


@EVERY_KIND
def test_saved_adapter_gives_the_same_logits_in_peft(kind: AdapterKind, tiny_llm: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    lm = LanguageModel(tiny_llm)
    layout = kind.on(lm.model)
    layers = Lanes(lm.model, layout)
    adapter = next(iter(finetune(lm, layers, [lane(3, layout)], PLAN))).adapter
    assert adapter is not None
    layout.save(tmp_path / "a", adapter, str(tiny_llm))
    ids = torch.arange(20)[None] + 10
    with torch.no_grad(), layers.serving(adapter[None]):
        ours = lm.model(input_ids=ids).logits
    plain = lm.model(input_ids=ids).logits
    assert (ours - plain).abs().max() > 1e-3  # and without lanes the LLM is as it was
    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_llm), tmp_path / "a")
    torch.testing.assert_close(ours, peft(input_ids=ids).logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layout.load(tmp_path / "a"), adapter)


def test_a_lane_leaves_at_its_target_and_others_are_not_disturbed(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = Lora(4, 8.0, ("q_proj", "v_proj")).on(lm.model)
    layers = Lanes(lm.model, layout)
    free = {r.key: r for r in finetune(lm, layers, [lane(k, layout) for k in range(4)], PLAN)}
    target = free[1].curve[1][1] + 1e-6
    lanes = [lane(k, layout, target if k == 1 else None) for k in range(4)]
    stopped = {r.key: r for r in finetune(lm, layers, lanes, PLAN)}
    assert stopped[1].steps == 4
    for key in (0, 2, 3):
        np.testing.assert_allclose(stopped[key].curve, free[key].curve, atol=1e-5)


def test_lanes_of_different_rank_train_together(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = LORA.on(lm.model)
    layers = Lanes(lm.model, layout)
    mixed = [lane(0, layout), lane(1, layout)]
    mixed[1].start = layout.merge([layout.fresh(np.random.default_rng(i)) for i in range(2)], [0.5, 0.5])
    alone = {r.key: r for r in finetune(lm, layers, [lane(0, layout)], PLAN)}
    together = {r.key: r for r in finetune(lm, layers, mixed, PLAN)}
    np.testing.assert_allclose(together[0].curve, alone[0].curve, atol=1e-5)


@EVERY_KIND
def test_evaluation_ignores_how_many_texts_the_neighbours_have(kind: AdapterKind, tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = kind.on(lm.model)
    layers = Lanes(lm.model, layout)
    lanes = [lane(k, layout) for k in range(3)]
    flat = layout.stack([each.start for each in lanes])
    flat += 0.1 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    together = evaluate(lm, layers, flat, [each.texts for each in lanes])
    apart = [evaluate(lm, layers, flat[i : i + 1], [lanes[i].texts])[0] for i in range(3)]
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_kinds_may_take_turns_on_one_model(tiny_llm: Path) -> None:
    """Layers are wrapped once, whatever then is active in them."""
    lm = LanguageModel(tiny_llm)
    layouts = [kind.on(lm.model) for kind in (LORA, Ia3(), LORA)]
    texts = [rows(np.random.default_rng(0), 3, 20)]
    losses = [evaluate(lm, Lanes(lm.model, each), each.neutral()[None], texts)[0] for each in layouts]
    np.testing.assert_allclose(losses, losses[0], atol=1e-6)
    assert layouts[0] == layouts[2]  # whose sites were found in wrapped layers
