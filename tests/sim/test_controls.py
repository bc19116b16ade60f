"""Controls: what must not matter does not, and a pool that cannot help helps nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.analysis.everyone import Everyone
from sim.analysis.tables import load_run
from sim.llm.adapters.files import CONFIG, WEIGHTS
from sim.pool.pool import CARD, INDEX, Card, Pool
from sim.records.folder import make_folder
from sim.records.journal import RECORDED
from sim.records.tables import WALL_CLOCK
from sim.serving.account import PhoneAccount
from tests.runs import provider_of, same_tables, serve, small_config

STYLES = {
    "amber": "Well, {} is dear to me.",
    "brick": "{}: SEE THE LIST!",
    "coral": "so, {}, uh, dunno",
    "dune": "O {} ~ O",
}
SEED = 9001
ALONE = ["random", "oracle", "popular", "zero_shot", "xpert", "lexical"]
"""Strategies that start from one pLLM as it is."""
NAMED = ("style", "chosen", "oracle", "pllm", "owner")
"""Columns that hold names of styles or of pLLMs, which are called by their styles."""


def corpus(file: Path, styles: Mapping[str, str], only: Iterable[str] = ()) -> list[str]:
    """Write a corpus of answers to the same prompts in the default and other styles; the keys of a config for it."""
    rows = [
        {"prompt": f"Tell me about thing {i}.", "answer": answer.format(f"thing {i}"), "style": style}
        for style, answer in {"plain": "It is {}.", **styles}.items()
        for i in range(60)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = ["corpus.source=jsonl", f"corpus.path={file}", "corpus.default=plain"]
    return [*keys, f"corpus.styles={json.dumps(list(only))}"]


def run(llm: Path, output: Path, name: str, *overrides: str) -> Path:
    """Do a run of a pool of four; its folder."""
    folder = make_folder(config := small_config(llm, output, *small(llm), *overrides), name)
    serve(config, folder)
    return folder


def small(llm: Path) -> list[str]:
    overrides = f"seed={SEED} pool.seed={SEED} llm.summarizer={llm} pool.size=4 population.users=4 ladder.users=0"
    return [*overrides.split(), f"strategies={['scratch', *ALONE, 'lorahub']}"]


@pytest.fixture(scope="module")
def usual(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """The corpus, as keys of a config, and a run on it."""
    folder = tmp_path_factory.mktemp("controls")
    keys = corpus(folder / "corpus.jsonl", STYLES, STYLES)
    return keys, run(tiny_llm, folder, "run", *keys)


def given(built: Pool, to: Path) -> list[str]:
    """Index a pool of one's own, a copy of another in all but its adapters; the key of a config for it."""
    (to / INDEX).write_text(json.dumps({"pllms": list(built.ids)}))
    return [f"pool.path={to}"]


# ---------------------------------------------------------------- what must not matter


@pytest.mark.parametrize("names", [["dune", "coral", "amber", "brick"], ["zeta", "expert-concise-poetic", "10", "Abc"]])
def test_what_styles_are_called_decides_nothing(
    tiny_llm: Path, tmp_path: Path, usual: tuple[list[str], Path], names: list[str]
) -> None:
    """Shuffled names, and others in another order, of which one says much in the built-in corpus."""
    new = dict(zip(STYLES, names, strict=True))
    renamed = {new[style]: answer for style, answer in STYLES.items()}
    one, two = usual[1], run(tiny_llm, tmp_path, "two", *corpus(tmp_path / "2.jsonl", renamed, renamed))

    def called(cell: str) -> str:
        return "+".join(sorted(new.get(name, name) for name in cell.split("+")))

    for table in RECORDED:
        if not (one / f"{table}.csv").is_file():
            continue
        a, b = (pd.read_csv(folder / f"{table}.csv", dtype=str, keep_default_na=False) for folder in (one, two))
        for column in {*NAMED} & {*a}:
            a[column] = a[column].map(called)
        drop = [column for column in (*WALL_CLOCK, "run") if column in a]
        pd.testing.assert_frame_equal(a.drop(columns=drop), b.drop(columns=drop))


def test_a_style_that_nobody_uses_decides_nothing(
    tiny_llm: Path, tmp_path: Path, usual: tuple[list[str], Path]
) -> None:
    """Left out by `corpus.styles`; or known to the corpus, where a pool is given that has no pLLM of it."""
    more = {"beryl": "{}? Beryl knows."}
    plain, one = usual
    two = run(tiny_llm, tmp_path, "two", *corpus(tmp_path / "2.jsonl", STYLES | more, STYLES))
    same_tables(one, two, "two runs")
    _, pool = provider_of(small_config(tiny_llm, tmp_path, *small(tiny_llm), *plain))
    known = corpus(tmp_path / "3.jsonl", STYLES | more)
    same_tables(one, run(tiny_llm, tmp_path, "three", *known, f"pool.path={pool.folder}"), "two runs")


# ---------------------------------------------------------------- pools that cannot help


def test_where_all_pllms_are_alike_no_strategy_is_better(
    tiny_llm: Path, tmp_path: Path, usual: tuple[list[str], Path]
) -> None:
    """Nobody who starts from one differs at all; nor, by its interval, who starts from A and B averaged apart.

    The exact mean starts where they do. It trains an adapter as wide as all together, and so is another comparison.
    """
    words, _ = usual
    _, pool = provider_of(small_config(tiny_llm, tmp_path, *small(tiny_llm), *words))
    for name in pool.ids:
        shutil.copytree(pool.folder / name, tmp_path / "alike" / name)
        for file in (CONFIG, WEIGHTS):
            shutil.copy(pool.folder / pool.ids[0] / file, tmp_path / "alike" / name)
    longer = ["population.users=6", "training.steps=8", f"strategies={['scratch', *ALONE, 'average', 'fedavg']}"]
    folder = run(tiny_llm, tmp_path, "run", *words, *longer, *given(pool, tmp_path / "alike"))
    full = pd.read_csv(folder / "curves.csv").pivot(index=["user_id", "step"], columns="strategy", values="loss")
    for strategy in ALONE:
        pd.testing.assert_series_equal(full[strategy], full["random"], check_names=False)
    assert not full["random"].equals(full["scratch"])
    chosen = pd.read_csv(folder / "users.csv").groupby("strategy")["chosen"].nunique()
    assert chosen["random"] > 1  # so they are alike in spite of what was chosen
    users = Everyone((load_run(folder),))
    for metric in ("steps", "finetune_min", "final_loss"):
        found = users.compare(metric, "random").set_index("strategy").drop(index="scratch")
        assert set(found.index) == {*ALONE, "average", "fedavg"} - {"random"}
        found = found.drop(index="average")
        assert ((found["low"] <= 0) & (found["high"] >= 0)).all(), found
    for strategy in ("average", "fedavg"):
        starts = full.xs(0, level="step")
        np.testing.assert_allclose(starts[strategy], starts["random"], rtol=1e-4)


def test_a_pool_of_fresh_adapters_is_scratch(tiny_llm: Path, tmp_path: Path, usual: tuple[list[str], Path]) -> None:
    """They change nothing yet: all start where the base does, and train as from scratch.

    Every pLLM is the very adapter that user 0 begins with from scratch, so that user 0 does the same, to the last bit.
    """
    words, _ = usual
    more = ["population.users=6", "training.steps=8", "engine.cohort=1"]  # a batch of one's own
    more += [f"strategies={['scratch', *ALONE]}"]
    config = small_config(tiny_llm, tmp_path, *small(tiny_llm), *words, *more)
    provider, pool = provider_of(config)
    layout = provider.resident.lanes.layout
    fresh = layout.fresh(PhoneAccount(0, config.seed).fresh_rng())
    for name in pool.ids:
        card: Card = replace(pool.card(name), steps=0, trained=0)
        layout.save(tmp_path / "fresh" / name, fresh, str(tiny_llm))
        (tmp_path / "fresh" / name / CARD).write_text(json.dumps(asdict(card)))
    folder = run(tiny_llm, tmp_path, "run", *words, *more, *given(pool, tmp_path / "fresh"))
    curves = pd.read_csv(folder / "curves.csv").set_index(["strategy", "user_id", "step"])["loss"]
    for strategy in ALONE:
        mine, scratch = curves[strategy], curves["scratch"]
        pd.testing.assert_series_equal(mine.xs(0, level="step"), scratch.xs(0, level="step"))
        pd.testing.assert_series_equal(mine[0], scratch[0].reindex(mine[0].index))  # who is at the target stops
        assert not mine.drop(index=0).equals(scratch.reindex(mine.index).drop(index=0))  # others begin otherwise
    steps = pd.read_csv(folder / "users.csv").pivot(index="user_id", columns="strategy", values="steps_to_target")
    assert steps.loc[0].nunique() == 1
    users = Everyone((load_run(folder),))
    for metric in ("steps", "finetune_min"):  # no last losses: scratch alone goes on when the target is reached
        found = users.compare(metric, "scratch")
        assert set(found["strategy"]) == {*ALONE}
        assert ((found["low"] <= 0) & (found["high"] >= 0)).all(), found
