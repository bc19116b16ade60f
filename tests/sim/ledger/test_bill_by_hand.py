"""A run's bill, done again from its CSV files, its config and the architectures, without the simulator's ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from devices import Lora, flops, llm
from sim.records.folder import make_folder
from tests.runs import serve, small_config

TEXT = 98
"""billing.tokens_per_text, and tokens_per_step: a step is one text of that length."""


@pytest.fixture(scope="module")
def folder(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_config(tiny_llm, tmp_path_factory.mktemp("hand"), 'strategies=["scratch","xpert"]')
    run = make_folder(config, "by-hand")
    serve(config, run)
    return run


def test_flops_bytes_and_seconds_of_users_csv_follow_from_what_was_counted(folder: Path) -> None:
    users = pd.read_csv(folder / "users.csv").set_index(["user_id", "strategy"])
    work = pd.read_csv(folder / "work.csv").query("amount == 1")
    text_tokens = json.loads((folder / "manifest.json").read_text())["mean_text_tokens"]
    base, summarizer = llm("llama-3.2-1b"), llm("llama-3.1-8b")
    lora = Lora(8, "all-linear")

    def billed(counts: pd.Series) -> tuple[float, float]:
        """Tokens of a pass on the deployed LLM, those of the instruction as they are; and its sequences."""
        fixed = counts.get("fixed", 0.0)
        return (counts.tokens - fixed) * TEXT / text_tokens + fixed, counts.sequences

    for (user, strategy), row in users.iterrows():
        assert row.finetune_flops == pytest.approx(row.billed_steps * lora.step_flops(base, TEXT))
        mine = work.query("user_id == @user and strategy == @strategy")
        by_kind = {key: c.set_index("count").number for key, c in mine.fillna("").groupby(["work", "llm"])}
        total = 0.0
        for (_, name), counts in by_kind.items():
            if name == "summarizer":
                tokens, sequences = billed(counts)
                total += flops.forward(summarizer, tokens, tokens / sequences, 0)
            elif name == "base":
                tokens, sequences = billed(counts)
                written = counts.get("written", 0.0) * TEXT / text_tokens
                total += flops.forward(base, tokens, tokens / sequences, sequences)
                total += sequences * flops.decode(base, written / sequences, tokens / sequences)
        assert row.selection_flops == pytest.approx(total), (user, strategy)
        downloads = by_kind.get(("Download", ""), pd.Series(dtype=float))
        size = downloads.get("pllms", 0) * lora.bytes(base, "fp16") + downloads.get("bytes", 0)
        assert row.bytes_down == pytest.approx(size)
        if size:
            assert row.download_s == pytest.approx(size * 8 / (row.down_mbps * 1e6), abs=1)  # and latency
    assert users.xs("xpert", level="strategy").selection_flops.gt(0).all()


def test_users_who_are_billed_are_those_whose_phone_fits(folder: Path) -> None:
    users = pd.read_csv(folder / "users.csv")
    assert (users.billed == users.fits.isin(["yes", "streamed"])).all()
    assert (users.billed | (users.memory_gb > users.app_ram_gb)).all()
    energy = users.selection_j + users.download_j + users.finetune_j
    assert (users.battery_charges.notna() == energy.notna()).all()
    assert (users.battery_charges > 0).equals(energy > 0)
