"""A run with a user's own phone, LLM and hours, named by paths relative to where it was started."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from devices import llm
from sim.cloud.check import prepare
from sim.engine import start
from sim.experiment.config import Config
from sim.records.folder import make_folder
from tests.runs import Silent, tiny_overrides


def test_own_phone_llm_and_hours_end_to_end(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.csv").write_text(
        "phone_id,release_year,tier,ram_gb\nlittle,2019,entry,2\nlarge,2024,flagship,16\n"
    )
    (tmp_path / "mine").mkdir()
    shape = llm("llama-3.2-1b")
    config_json = {
        "model_type": "llama", "hidden_size": shape.width, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocab,
        "intermediate_size": shape.mlp_width, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config_json))
    own = ["population.phone_file=mine.csv", "population.phones=little,large", "llm.deploy=mine"]
    settings = [*own, "population.availability=daily", "billing.precision=fp16", "population.users=8"]
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path / "out"), *settings]).anchored(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    prepare(config)
    folder = make_folder(config, "own")
    start(prepare(config), folder, Silent())

    users = pd.read_csv(folder / "users.csv")
    assert len(users) == 8 * 3  # nobody is dropped
    little, large = users[users.phone == "little"], users[users.phone == "large"]
    assert set(little.tier) == {"entry"}
    assert set(little.fits) == {"does_not_fit"}
    assert little.why.str.startswith("train needs ").all()
    assert little[["finetune_s", "finetune_j", "hours_until_done"]].isna().all(axis=None)
    assert set(large.tier) == {"flagship"}
    assert set(large.fits) == {"yes"}
    busy_h = (large.selection_s + large.download_s + large.finetune_s) / 3600
    assert (large.hours_until_done >= busy_h - 1e-9).all()
    assert large.hours_until_done.max() > 2 * busy_h.max()
