"""One question about any phone and LLM: the rows agree with the cost model, and with each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import Device, Network, UnknownName, find_phone, llm, phones
from devices.bill import Workload, bill

ONE_B, SMALL = llm("llama-3.2-1b"), llm("smollm2-135m")


def test_a_bill_is_that_of_the_device():
    phone, network = find_phone("OnePlus 12R"), Network.fixed(122, 60)
    workload = Workload(steps=1000, tokens_per_step=98, prompt=512, answer=128, down_mb=100, up_mb=5)
    table = bill(phone, ONE_B, workload, network=network, ram_gb=16.0).set_index("phase")
    assert list(table.index) == ["download", "prefill", "decode", "train", "upload", "total"]
    device = Device.of(phone, network, ram_gb=16.0)
    assert table.seconds["train"] == pytest.approx(device.train(ONE_B, 1000, 98).seconds)
    assert table.joules["decode"] == pytest.approx(device.decode(ONE_B, 128, context=512).joules)
    assert table.seconds["download"] == pytest.approx(100 * 8 / 122 + 0.01)
    assert table.tokens_per_s["prefill"] == pytest.approx(512 / table.seconds["prefill"])
    assert table.joules_per_token["train"] == pytest.approx(table.joules["train"] / 98_000)
    parts = table.drop(index="total")
    for column in ("seconds", "joules", "battery_share"):
        assert table[column]["total"] == pytest.approx(parts[column].sum())
    assert table.memory_gb["total"] == parts.memory_gb.max()
    assert (table.watts == table.joules / table.seconds).all()


@given(st.sampled_from(sorted(phones())), st.sampled_from(["fp16", "int8", "int4"]), st.integers(1, 1000))
@settings(max_examples=25, deadline=None)
def test_the_median_lies_within_its_range(phone, precision, tokens):
    workload = Workload(steps=tokens, tokens_per_step=64, prompt=tokens, answer=tokens)
    table = bill(phones()[phone], SMALL, workload, precision=precision, draws=200)
    for column in ("seconds", "joules"):
        assert (table[f"{column}_low"] <= table[column] * 1.1).all()
        assert (table[column] <= table[f"{column}_high"] * 1.1).all()


def test_what_does_not_fit_has_a_reason_and_no_figures():
    row = bill(find_phone("Galaxy A21s"), ONE_B, Workload(steps=10, tokens_per_step=32)).iloc[0]
    assert row.fit == "does_not_fit"
    assert row.reason.startswith("train needs 2.")
    assert np.isnan([row.seconds, row.joules, row.tokens_per_s, row.seconds_low, row.joules_high]).all()


def test_nothing_asked_is_refused():
    with pytest.raises(ValueError, match="nothing to cost"):
        bill(find_phone("pixel 8"), SMALL, Workload())
    with pytest.raises(UnknownName, match="precision"):
        bill(find_phone("pixel 8"), SMALL, Workload(prompt=8), precision="int7")
