"""Lanes train exactly as separate PEFT runs, and their adapters are plain PEFT adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sim.llm.adapters.lora import Layout, layout_for, load_adapter, merge, save_adapter
from sim.llm.finetune import Lane, Plan, epochs, evaluate, finetune
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel

PLAN = Plan(steps=12, batch=3, lr=5e-3, weight_decay=0.01, max_grad_norm=1.0, evaluate_every=4, width=3)


def rows(rng: np.random.Generator, count: int, longest: int) -> list[Encoded]:
    out = []
    for _ in range(count):
        length = int(rng.integers(6, longest))
        out.append(Encoded(rng.integers(4, 300, length).astype(np.int32), int(rng.integers(1, 5))))
    return out


def job(key: int, layout: Layout, target: float | None = None) -> Lane[int]:
    rng = np.random.default_rng(key)
    return Lane(
        key=key,
        start=layout.fresh(rng),
        texts=rows(rng, 5 + key, 10 + 3 * key),
        held_out=rows(rng, 4 + key % 3, 20),
        rng=np.random.default_rng([7, key]),
        target=target,
    )


def peft_run(folder: Path, start: Path, lane: Lane[int], plan: Plan) -> tuple[list[float], dict[str, torch.Tensor]]:
    """What a user would write for one phone: PEFT, torch's AdamW, one batch after another."""
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder)
    model = PeftModel.from_pretrained(base, start, is_trainable=True)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=plan.lr, weight_decay=plan.weight_decay)
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


def test_eight_lanes_equal_eight_peft_runs(tiny_llm: Path, tmp_path: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, rank=4, alpha=8, targets="all-linear")
    lanes = Lanes(lm.model, layout)
    jobs = [job(key, layout) for key in range(8)]
    for lane in jobs:
        save_adapter(tmp_path / str(lane.key), layout, lane.start, str(tiny_llm))
    done = {r.key: r for r in finetune(lm, lanes, jobs, PLAN)}
    assert sorted(done) == list(range(8))
    for key in range(8):
        losses, tensors = peft_run(tiny_llm, tmp_path / str(key), job(key, layout), PLAN)
        assert [s for s, _ in done[key].curve] == [0, 4, 8, 12]
        np.testing.assert_allclose([loss for _, loss in done[key].curve], losses, atol=1e-4)
        torch.testing.assert_close(done[key].adapter, layout.from_state_dict(tensors), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(done[key].adapter, jobs[key].start, atol=1e-3)  # it did train


def test_saved_adapter_gives_the_same_logits_in_peft(tiny_llm: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, 4, 8, "all-linear")
    lanes = Lanes(lm.model, layout)
    adapter = next(iter(finetune(lm, lanes, [job(3, layout)], PLAN))).adapter
    assert adapter is not None
    save_adapter(tmp_path / "a", layout, adapter, str(tiny_llm))
    ids = torch.arange(20)[None] + 10
    with torch.no_grad(), lanes.serving(adapter[None]):
        ours = lm.model(input_ids=ids).logits
    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_llm), tmp_path / "a")
    torch.testing.assert_close(ours, peft(input_ids=ids).logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(load_adapter(tmp_path / "a", layout), adapter)


def test_a_lane_leaves_at_its_target_and_others_are_not_disturbed(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, 4, 8, ["q_proj", "v_proj"])
    lanes = Lanes(lm.model, layout)
    free = {r.key: r for r in finetune(lm, lanes, [job(k, layout) for k in range(4)], PLAN)}
    target = free[1].curve[1][1] + 1e-6
    jobs = [job(k, layout, target if k == 1 else None) for k in range(4)]
    stopped = {r.key: r for r in finetune(lm, lanes, jobs, PLAN)}
    assert stopped[1].steps == 4
    for key in (0, 2, 3):
        np.testing.assert_allclose(stopped[key].curve, free[key].curve, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_merging_is_exact(tiny_llm: Path, count: int) -> None:
    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, 4, 8, "all-linear")
    rng = np.random.default_rng(count)
    flats = [torch.from_numpy(rng.normal(size=layout.size).astype(np.float32)) for _ in range(count)]
    weights = rng.uniform(0.1, 0.9, count).tolist()
    merged, flat = merge(layout, flats, weights)
    for i, (a, b) in enumerate(merged.views(flat[None])):
        dense = sum(
            w * layout.scale * (layout.views(f[None])[i][1] @ layout.views(f[None])[i][0])
            for w, f in zip(weights, flats, strict=True)
        )
        torch.testing.assert_close(merged.scale * (b @ a), dense, atol=1e-5, rtol=1e-5)


def test_lanes_of_different_rank_train_together(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, 4, 8, "all-linear")
    lanes = Lanes(lm.model, layout)
    _, wide = merge(layout, [layout.fresh(np.random.default_rng(i)) for i in range(2)], [0.5, 0.5])
    mixed = [job(0, layout), job(1, layout)]
    mixed[1].start = wide
    alone = {r.key: r for r in finetune(lm, lanes, [job(0, layout)], PLAN)}
    together = {r.key: r for r in finetune(lm, lanes, mixed, PLAN)}
    np.testing.assert_allclose(together[0].curve, alone[0].curve, atol=1e-5)


def test_evaluation_ignores_how_many_texts_the_neighbours_have(tiny_llm: Path) -> None:
    lm = LanguageModel(tiny_llm)
    layout = layout_for(lm.model, 4, 8, "all-linear")
    lanes = Lanes(lm.model, layout)
    jobs = [job(k, layout) for k in range(3)]
    flat = lanes.stack([j.start for j in jobs])
    together = evaluate(lm, lanes, flat, [j.texts for j in jobs])
    apart = [evaluate(lm, lanes, flat[i : i + 1], [jobs[i].texts])[0] for i in range(3)]
    np.testing.assert_allclose(together, apart, atol=1e-5)
