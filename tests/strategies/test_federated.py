"""Federated learning, a round a wave: the very adapter that Flower's own strategy makes of the same clients."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

from sim.common.cache import cache_dir
from sim.experiment.config import Config
from sim.llm.training.finetune import finetune, plan_of
from sim.llm.training.progress import Lane, set_aside
from sim.population.users import draw_users
from sim.records.folder import make_folder
from sim.serving.account import PhoneAccount
from tests.runs import provider_of, serve, small_config

ROUNDS = ["waves.count=3", "waves.contribute=1", "pool.size=0", "ladder.users=0", "population.phones=oneplus-12"]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path


def done(llm: Path, output: Path, *overrides: str) -> tuple[Config, pd.DataFrame]:
    config = small_config(llm, output, *ROUNDS, *overrides)
    folder = make_folder(config, "run")
    serve(config, folder)
    return config, pd.read_csv(folder / "users.csv", keep_default_na=False)


def test_rounds_give_the_global_adapter_of_plain_flower(
    tiny_llm: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("_run_id", "_node_id", "_task_id"):  # without which Flower makes no Message
        monkeypatch.setattr(TaskIdentity, known, 1, raising=False)
    config, users = done(tiny_llm, own_cache, 'strategies=["scratch","federated"]')
    chosen = users.query("strategy == 'federated'").groupby("wave")["chosen"].unique()
    assert [list(names) for names in chosen] == [[""], ["global-0-1"], ["global-0-2"]]

    provider, _ = provider_of(config)
    resident = provider.resident
    layout, lm, training = resident.lanes.layout, resident.lm, config.training
    strategy = FedAvg()

    def adapter(number: int) -> torch.Tensor:
        return layout.load(next((cache_dir() / "living").glob(f"*/pool/global-0-{number}")))

    present = layout.fresh(PhoneAccount(0, config.seed, alike=True).fresh_rng())
    for wave in range(2):
        lanes = []
        for user in draw_users(config, resident.corpus, provider.preparation.user_styles, config.wave(wave)):
            texts, validation = set_aside(lm.encode(user.texts, training.max_tokens))
            rng, held_out = (
                PhoneAccount(user.id, config.seed).batches_rng(),
                lm.encode(user.held_out, training.max_tokens),
            )
            lanes.append(Lane(user.id, present, texts, rng, training.lr, validation, held_out))
        replies = []
        for result in finetune(lm, resident.lanes, lanes, plan_of(training, config.engine.lanes)):
            assert result.adapter is not None
            tensors = {key: value.half().float() for key, value in layout.state_dict(result.adapter).items()}
            counted = MetricRecord({"num-examples": config.population.texts})
            content = RecordDict({"arrays": ArrayRecord(tensors), "metrics": counted})
            replies.append(Message(content, dst_node_id=result.key + 1, message_type="train"))
        arrays, _ = strategy.aggregate_train(wave + 1, replies)
        assert arrays is not None
        present = layout.from_state_dict(arrays.to_torch_state_dict()).half().float()  # as it is sent to phones
        torch.testing.assert_close(adapter(wave + 1), present, atol=1e-5, rtol=0)


def test_rounds_are_on_the_phones_bill(tiny_llm: Path, own_cache: Path) -> None:
    _, users = done(tiny_llm, own_cache, 'strategies=["scratch","federated"]')
    mine = users.query("strategy == 'federated'")
    assert (mine["bytes_up"] > 0).all()
    assert (mine["bytes_down"] == mine["bytes_up"] * (mine["wave"] > 0)).all()
    assert (mine["correct"] == "").all()  # the average is nobody's style


def test_each_cluster_is_averaged_apart(tiny_llm: Path, own_cache: Path) -> None:
    options = "options={clustered = {clusters = 2}}"
    _, users = done(tiny_llm, own_cache, 'strategies=["scratch","clustered"]', options)
    mine = users.query("strategy == 'clustered'")
    assert set(mine.query("wave == 0")["chosen"]) == {""}
    assert set(mine.query("wave == 1")["chosen"]) <= {"global-0-1", "global-1-1"}
    later = set(mine.query("wave == 2")["chosen"])
    assert later <= {"global-0-1", "global-1-1", "global-0-2", "global-1-2"}
    sizes = pd.read_csv(own_cache / "small" / "run" / "versions.csv").set_index("wave")["pllms"]
    adapter = mine["bytes_up"].max()
    for row in mine.itertuples():
        assert row.bytes_down == adapter * sizes[row.wave]  # all are downloaded
