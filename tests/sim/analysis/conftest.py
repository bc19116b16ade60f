"""Run folders as the simulator would leave them, written with its own Recorder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.experiment.config import Config
from sim.records.recorder import Recorder

STYLES = [
    f"{e}-{i}-{t}" for e in ("elementary", "expert") for i in ("concise", "informative") for t in ("sassy", "poetic")
]
WORDS = ("simple", "technical", "brief", "detailed", "cheeky", "lyrical", "warm", "formal")
PHONES = {  # relative speed; 0: cannot fine-tune the LLM
    "google-pixel-9-pro": 1.3,
    "oneplus-12r": 1.0,
    "samsung-galaxy-a54": 0.45,
    "xiaomi-redmi-note-12": 0.3,
    "google-pixel-3": 0.0,
}
QUALITY = {
    "scratch": 1.0,
    "random": 0.9,
    "oracle": 0.12,
    "exhaustive": 0.13,
    "xpert": 0.15,
    "xpert_merge": 0.2,
}
NO_ROOM = {"fits": "does_not_fit", "why": "peak memory 5.1 GB is over the 2.4 GB that an app gets"}
SELECT_S = {"xpert": 830.0, "xpert_merge": 850.0, "exhaustive": 9000.0}


def owned(owner: str | int) -> dict[str, Any]:
    """The cells of words.csv that say whose explanation it is: a pLLM's, by id, or a user's, by number."""
    return {"owner_kind": "user" if isinstance(owner, int) else "pllm", "owner": str(owner)}


def user_row(user: int, strategy: str, **more: Any) -> dict[str, Any]:
    """A row of users.csv that fits its phone and reached the target after 10 steps; `more` overrides."""
    row: dict[str, Any] = {
        "user_id": user, "strategy": strategy, "amount": 1.0, "phone": "oneplus-12r", "tier": "flagship",
        "network": "wifi", "texts": 40, "style": "expert", "chosen": "", "oracle": "p0", "correct": None,
        "start_loss": 3.0, "target_loss": 2.0, "final_loss": 1.9, "best_loss": 1.9, "steps_to_target": 10,
        "censored": False, "steps": 10, "billed_steps": 100.0, "fits": "yes", "why": "", "selection_flops": 0.0,
        "selection_s": 0.0, "selection_j": 0.0, "bytes_down": 0.0, "bytes_up": 0.0, "download_s": 0.0,
        "download_j": 0.0, "finetune_flops": 1000.0, "finetune_s": 600.0, "finetune_j": 2000.0,
        "hours_until_done": 0.2, "model_selection_flops": 0.0, "model_finetune_flops": 1.0,
        "model_evaluate_flops": 1.0, "wall_s": 0.1,
    }  # fmt: skip
    return row | more


def write_run(folder: Path, config: Config | None = None, **tables: list[dict[str, Any]]) -> Path:
    """Write the tables, and config.toml where one is given."""
    folder.mkdir(parents=True, exist_ok=True)
    with Recorder(folder) as recorder:
        recorder.write(tables)
    if config is not None:
        (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    return folder


def population(users: int, strategies: list[str], seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """All tables of a run that looks like a real one: costs, curves, ladder, scores, explanations."""
    rng = np.random.default_rng(seed)
    out: dict[str, list[dict[str, Any]]] = {k: [] for k in ("users", "ladder", "curves", "choices", "words", "cloud")}
    traits = rng.normal(size=(len(STYLES), len(WORDS))) * 0.3
    axes = ("elementary", "expert", "concise", "informative", "sassy", "poetic")
    for number, style in enumerate(STYLES):
        traits[number, : len(axes)] += 1.2 * np.array([value in style.split("-") for value in axes])
    pool = [f"pllm-{i:02d}" for i in range(len(STYLES))]
    out["pool"] = [
        {"pllm": p, "style": s, "similarity": 0.8, "texts": 400, "steps": 150, "loss": 1.7, "bytes": 5.6e6}
        for p, s in zip(pool, STYLES, strict=True)
    ]
    for strategy in strategies:
        if strategy.startswith("xpert"):
            out["words"] += [
                owned(p) | {"strategy": strategy, "word": w, "strength": 0.8 * t, "coordinate": 0.8 * t}
                for p, row in zip(pool, traits, strict=True) for w, t in zip(WORDS, row, strict=True)
            ]  # fmt: skip
        out["cloud"].append({"strategy": strategy, "work": "Generate", "requests": 50, "tokens": 9e4, "flops": 2e14})
    for user in range(users):
        own = int(rng.integers(len(STYLES)))
        phone = str(rng.choice(list(PHONES), p=[0.15, 0.2, 0.3, 0.3, 0.05]))
        speed = PHONES[phone] * float(rng.lognormal(0, 0.05))
        need = float(rng.lognormal(np.log(42), 0.15))
        own_style = traits[own] + rng.normal(size=len(WORDS)) * 0.15
        for strategy in strategies:
            z = own_style
            scores = 1 - traits @ z / (np.linalg.norm(traits, axis=1) * np.linalg.norm(z))
            picks = {"scratch": None, "random": int(rng.integers(len(STYLES))), "oracle": own}
            pick = picks.get(strategy, int(scores.argmin()))
            share = QUALITY[strategy] * float(rng.lognormal(0, 0.25)) if strategy != "scratch" else 1.0
            steps = int(min(80, max(5, 5 * np.ceil(need * share / 5))))
            late = strategy == "random" and pick != own and rng.random() < 0.4
            steps = 80 if late else steps
            billed = steps * 1000 / 42
            start = 3.1 if strategy == "scratch" else 3.1 - 0.9 * (1 - min(share, 1))
            target = 2.0 + 0.05 * float(rng.normal())
            row = user_row(
                user, strategy, phone=phone, texts=48, style=STYLES[own], oracle=pool[own],
                chosen="" if pick is None else pool[pick], correct=None if pick is None else pick == own,
                start_loss=start, target_loss=target, final_loss=target + 0.1 * late, steps_to_target=steps,
                censored=late, steps=steps, billed_steps=billed, **({} if speed else NO_ROOM),
                selection_flops=SELECT_S.get(strategy, 0.0) * 2.9e11,
                selection_s=SELECT_S.get(strategy, 0.0) / speed if speed else None,
                selection_j=SELECT_S.get(strategy, 0.0) * 4.4 if speed else None,
                bytes_down=0.0 if pick is None else 5.6e6 * (len(STYLES) if strategy == "exhaustive" else 1),
                download_s=0.0 if pick is None else 0.4, download_j=0.0 if pick is None else 0.5,
                finetune_flops=billed * 4.9e11, finetune_s=billed * 5.9 / speed if speed else None,
                finetune_j=billed * 5.9 * 2.7 if speed else None,
            )  # fmt: skip
            out["users"].append(row)
            last = steps if strategy != "scratch" else 80
            for step in range(0, last + 1, 5):
                loss = target + (start - target) * float(np.exp(-3.5 * step / steps)) + 0.01 * float(rng.normal())
                out["curves"].append({"user_id": user, "strategy": strategy, "amount": 1.0, "step": step, "loss": loss})
            if strategy.startswith("xpert") or strategy == "exhaustive":
                for rank, i in enumerate(np.argsort(scores), start=1):
                    choice = {
                        "user_id": user,
                        "strategy": strategy,
                        "pllm": pool[i],
                        "score": float(scores[i]),
                    }
                    out["choices"].append(choice | {"rank": rank})
            if strategy.startswith("xpert"):
                owner = owned(user) | {"strategy": strategy}
                out["words"] += [
                    owner | {"word": w, "strength": float(c), "coordinate": float(c)}
                    for w, c in zip(WORDS, z, strict=True)
                ]
            if user < 16:
                fewest = 0.5 if share < 0.3 else float(rng.choice([0.75, 1.0, 2.0]))
                fewest = min(fewest, 1.0) if strategy == "scratch" else fewest
                for amount in (0.25, 0.5, 0.75, 1.0):
                    rung = {"amount": amount, "texts": round(48 * amount), "censored": amount < fewest}
                    out["ladder"].append(row | rung)
    return out


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run of 40 users and four strategies with every table."""
    strategies = ["scratch", "random", "oracle", "xpert"]
    config = Config.of({"name": "demo", "strategies": strategies, "population": {"users": 40}})
    return write_run(tmp_path / "demo" / "r1", config, **population(40, strategies))


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder from given tables: `new_run(users=[...], ladder=[...])`, perhaps with a config and a name."""
    return lambda config=None, name="given", **tables: write_run(tmp_path / name, config, **tables)


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    return user_row
