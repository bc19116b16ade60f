"""Properties that any bill must have, what does not fit, and the speed of costing a million phones."""

import doctest
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import devices
from devices import (
    BACKENDS,
    Device,
    Ia3,
    Llm,
    Lora,
    Network,
    UnknownName,
    calibrated,
    draw_networks,
    draw_phones,
    flops,
    llm,
    phones,
    total,
)
from devices.thermal import throttled

ONE_B, EIGHT_B, SMALL = llm("llama-3.2-1b"), llm("llama-3.1-8b"), llm("smollm2-135m")
PHONES = st.sampled_from(sorted(phones()))
ANDROID = st.sampled_from([b for b in BACKENDS if b != "gpu_mlx"])
TOKENS = st.integers(1, 4000)


def shape(layers=8, width=512):
    return Llm("test", 32_000, width, layers, width // 64, width // 64, 64, 4 * width, tied=True)


def more_or_refused(small, large, field="seconds"):
    """Larger work costs at least as much, or does not fit where it did."""
    if large.refused:
        return True
    return not small.refused and getattr(large, field) >= getattr(small, field) * (1 - 1e-9)


@given(PHONES, ANDROID, TOKENS, TOKENS)
@settings(max_examples=60, deadline=None)
def test_cost_never_falls_with_more_tokens(phone, backend, a, b):
    device, (few, many) = Device.of(phone, backend=backend, ram_gb=24), sorted((a, b))
    for phase in (device.prefill, device.evaluate, device.decode):
        for field in ("seconds", "joules", "flops", "memory_bytes"):
            assert more_or_refused(phase(SMALL, few), phase(SMALL, many), field)
    for field in ("seconds", "joules", "flops", "memory_bytes"):
        assert more_or_refused(device.train(SMALL, 10, few), device.train(SMALL, 10, many), field)
        assert more_or_refused(device.train(SMALL, few, 64), device.train(SMALL, many, 64), field)


@given(PHONES, st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_cost_never_falls_with_more_layers_or_width(phone, layers_a, layers_b, width_a, width_b):
    device = Device.of(phone)
    small = shape(min(layers_a, layers_b), 64 * min(width_a, width_b))
    large = shape(max(layers_a, layers_b), 64 * max(width_a, width_b))
    for run in (
        lambda m: device.prefill(m, 200),
        lambda m: device.decode(m, 20),
        lambda m: device.train(m, 50, 64),
    ):
        assert more_or_refused(run(small), run(large))
        assert more_or_refused(run(small), run(large), "joules")


@given(PHONES, st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_fewer_threads_are_never_faster(phone, a, b):
    few, many = (Device.of(phone, threads=n, ram_gb=24) for n in sorted((a, b)))
    for run in (lambda d: d.prefill(SMALL, 300), lambda d: d.decode(SMALL, 20), lambda d: d.train(SMALL, 10, 64)):
        assert run(few).seconds >= run(many).seconds * (1 - 1e-9)
        assert run(many).seconds >= run(Device.of(phone, ram_gb=24)).seconds * (1 - 1e-9)


@given(PHONES, st.sampled_from(BACKENDS[:2]), TOKENS)
@settings(max_examples=40, deadline=None)
def test_more_bytes_a_weight_are_never_cheaper(phone, backend, tokens):
    device = Device.of(phone, backend=backend, ram_gb=24)
    for run in (device.prefill, device.decode):
        costs = [run(SMALL, tokens, precision=p) for p in ("int4", "int8", "fp16", "fp32")]
        for small, large in pairwise(costs):
            for field in ("seconds", "joules", "memory_bytes"):
                assert more_or_refused(small, large, field)


@given(
    PHONES,
    st.sampled_from(["wifi", "4g", "5g"]),
    st.floats(0.1, 1000),
    st.floats(0.1, 1000),
    st.floats(0, 1e10),
)
@settings(max_examples=60, deadline=None)
def test_a_worse_network_is_never_cheaper(phone, access, a, b, size):
    slow, fast = (Device.of(phone, Network.fixed(v, v, 20, access)) for v in sorted((a, b)))
    for phase in ("download", "upload"):
        worse, better = getattr(slow, phase)(size), getattr(fast, phase)(size)
        assert worse.seconds >= better.seconds * (1 - 1e-9)
        assert worse.joules >= better.joules * (1 - 1e-9)


@given(PHONES, st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_energy_is_the_sum_over_phases(phone, seed):
    device = Device.of(phone, rng=np.random.default_rng(seed), ram_gb=16)
    bills = [device.download(1e7), device.prefill(SMALL, 300), device.decode(SMALL, 30),
             device.train(SMALL, 100, 98), device.upload(1e6), device.wait(60)]  # fmt: skip
    whole = total(bills)
    for field in ("seconds", "joules", "flops", "bytes_down", "bytes_up", "battery_share"):
        assert getattr(whole, field) == pytest.approx(sum(getattr(b, field) for b in bills))
    assert whole.memory_bytes == max(b.memory_bytes for b in bills)
    assert whole.battery_share == pytest.approx(whole.joules / (3600 * phones()[phone].battery_wh))


def test_units_by_hand():
    device = Device.of("oneplus-12r", Network.fixed(100, 50, 10), ram_gb=16)
    assert device.download(1e9).seconds == pytest.approx(0.010 + 80)
    assert device.upload(1e9).seconds == pytest.approx(0.010 + 160)
    assert device.download(0).seconds == 0
    # 0.25 of (281.6 + 48 / 2) GFLOP/s
    assert device.train_flop_s == pytest.approx(76.4e9)
    step = device.train(ONE_B, 1, 98)
    assert step.seconds == pytest.approx(Lora().step_flops(ONE_B, 98) / 76.4e9)
    assert step.joules / step.seconds == pytest.approx(0.6 * 4.95, rel=0.01)
    # integer weights are multiplied in int8, the others in floats
    for precision, constant in (("int4", "prefill.cpu_tuned"), ("fp16", "prefill.cpu_tuned_float")):
        bill = device.prefill(ONE_B, 100, precision=precision)
        rate = calibrated()[constant] * (281.6e9 + 24e9)
        assert bill.seconds == pytest.approx(flops.forward(ONE_B, 100, logits=1) / rate)
    # one token of a 1B LLM reads 2.47 GB of weights at a share of 67.2 GB/s
    share = calibrated()["decode.cpu_tuned"]
    assert device.decode(ONE_B, 1).seconds == pytest.approx(ONE_B.weight_bytes() / (share * 67.2e9), rel=0.001)


def test_memory_roof_of_short_training_steps():
    device = Device.of("oneplus-12r", ram_gb=16)
    assert device.train(ONE_B, 1, 1).seconds == pytest.approx(3 * ONE_B.read_bytes() / (0.5 * 67.2e9))


def test_8b_on_8_gb_streams_from_flash_and_the_bill_says_so():
    device = Device.of("google-pixel-8", ram_gb=8)
    bill = device.prefill(EIGHT_B, 300)
    assert bill.streamed
    assert bill.fit == "streams"
    assert bill.bytes_flash == EIGHT_B.read_bytes("fp16")  # all but the embedding table
    assert bill.seconds >= bill.bytes_flash / device.flash_bytes_s
    assert "may use; 15 GB streamed from flash" in bill.reason
    assert bill.memory_bytes <= bill.usable_bytes


def test_1b_training_on_2_gb_is_refused_with_the_reason():
    bill = Device.of("samsung-galaxy-a21s", ram_gb=2).train(ONE_B, 10, 32, checkpointing="auto")
    assert bill.refused
    assert bill.fit == "does_not_fit"
    assert np.isnan(bill.seconds)
    assert np.isnan(bill.joules)
    assert bill.reason.startswith("train needs 2.")
    assert "0.50 GB" in bill.reason


def test_checkpointing_fits_where_plain_does_not():
    device = Device.of("google-pixel-7", ram_gb=6)
    plain, saved, auto = (device.train(ONE_B, 10, 98, checkpointing=c) for c in (False, True, "auto"))
    assert plain.refused
    assert saved.fits
    assert auto.seconds == saved.seconds
    assert saved.memory_bytes < plain.memory_bytes


def test_full_training_needs_more_of_everything():
    device = Device.of("oneplus-12r", ram_gb=100)
    lora, full = (device.train(SMALL, 10, 98, adapter=a) for a in (Lora(), None))
    assert full.seconds > lora.seconds
    assert full.memory_bytes > lora.memory_bytes


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_is_billed_by_what_the_adapter_says_of_itself(checkpointing):
    device, ia3 = Device.of("oneplus-12r", ram_gb=16), Ia3("all-linear")
    bill = device.train(ONE_B, 100, 98, adapter=ia3, context=40, checkpointing=checkpointing)
    step = ia3.step_flops(ONE_B, 98, 40, checkpointing=checkpointing)
    assert bill.flops == pytest.approx(100 * step)
    assert bill.seconds >= 100 * step / device.train_flop_s
    lora = device.train(ONE_B, 100, 98, adapter=Lora(8, "all-linear"), context=40, checkpointing=checkpointing)
    more = Lora(8, "all-linear").parameters(ONE_B) - ia3.parameters(ONE_B)
    assert lora.memory_bytes - bill.memory_bytes == pytest.approx(16 * more)  # fp32, gradient, two moments


def test_a_device_says_what_its_phone_is():
    ids = ["oneplus-12r", "samsung-galaxy-a21s", "oneplus-12r"]
    net = draw_networks(3, np.random.default_rng(0), "4g")
    some = Device.of(ids, net, ram_gb=8)
    assert list(some.phone_ids) == ids
    assert list(some.tiers) == [phones()[i].tier for i in ids]
    assert some.tiers[0] != some.tiers[1]
    assert some.network is net
    assert some.usable_bytes == pytest.approx(0.65 * 8e9 - 1e9)
    assert Device.of(ids[0]).tiers == phones()[ids[0]].tier


def test_throttling_inverts_its_own_integral():
    c, floor = calibrated(), 0.6
    t = throttled(np.array([10.0, 90.0, 91.0, 500.0, 1e5]), floor, c)
    over = np.maximum(t - 90, 0)
    back = np.minimum(t, 90) + floor * over + (1 - floor) * 120 * (1 - np.exp(-over / 120))
    assert back == pytest.approx([10.0, 90.0, 91.0, 500.0, 1e5])
    assert throttled(1e5, 1.0, c) == pytest.approx(1e5)


def test_one_phone_and_arrays_agree():
    ids = sorted(phones())
    many = Device.of(ids).train(SMALL, 100, 98)
    for i, phone in enumerate(ids):
        one = Device.of(phone).train(SMALL, 100, 98)
        assert one.fit == many.fit[i]
        assert one.seconds == pytest.approx(many.seconds[i], nan_ok=True)
        assert many.at(i).reason == one.reason


def test_draws_have_the_stated_spread():
    device = Device.of(["oneplus-12r"] * 4000, rng=np.random.default_rng(0))
    assert np.std(np.log(device.train_flop_s)) == pytest.approx(calibrated().of("train.cpu_tuned").log_sd, rel=0.05)
    assert np.median(device.train_flop_s) == pytest.approx(76.4e9, rel=0.05)


def test_a_phone_that_trains_fast_also_reads_fast():
    """One draw for all speeds of a phone and one for all its powers, so no phone is both quick and slow."""
    device = Device.of(["oneplus-12r"] * 500, rng=np.random.default_rng(0))
    speeds = [np.log(v) for v in (device.train_flop_s, device.prefill_flop_s, device.decode_bytes_s)]
    assert np.corrcoef(speeds).min() == pytest.approx(1)
    assert np.corrcoef(np.log(device.prefill_w), np.log(device.decode_w))[0, 1] == pytest.approx(1)
    assert abs(np.corrcoef(speeds[0], np.log(device.prefill_w))[0, 1]) < 0.1


def test_the_package_stands_alone():
    """It imports neither the simulator nor strategies, and matplotlib only to draw."""
    code = "import sys, devices, devices.tables, devices.validate, devices.plots; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    roots = {name.split(".")[0] for name in loaded}
    assert not roots & {"sim", "strategies", "torch", "matplotlib", "pydantic"}


def test_the_example_of_the_package_holds():
    assert doctest.testmod(devices).failed == 0


def test_errors():
    with pytest.raises(UnknownName, match="backend"):
        Device.of("oneplus-12r", backend="npu")
    with pytest.raises(ValueError, match="threads must be 1 or more"):
        Device.of("oneplus-12r", threads=0)
    with pytest.raises(ValueError, match="on a CPU backend"):
        Device.of("oneplus-12r", backend="gpu_llamacpp", threads=4)
    with pytest.raises(ValueError, match="iPhones only"):
        Device.of("oneplus-12r", backend="gpu_mlx")
    with pytest.raises(ValueError, match="down_mbps > 0"):
        Network.fixed(0, 1)


@pytest.mark.benchmark
def test_a_million_phones_in_under_ten_seconds():
    rng, n = np.random.default_rng(0), 1_000_000
    began = time.process_time()  # of the one core that this takes; a busy machine does not count
    ids = draw_phones(n, "market", rng)
    device = Device.of(ids, draw_networks(n, rng, phone_ids=ids), rng=rng)
    bill = total([device.download(1e7), device.train(SMALL, rng.integers(10, 1000, n), 98), device.upload(1e6)])
    assert time.process_time() - began < 10
    assert bill.seconds.shape == (n,)


def test_answers_written_side_by_side_share_the_weights():
    device = Device.of("oneplus-12r", ram_gb=16)
    one = device.decode(SMALL, 100, context=50)
    ten = device.decode(SMALL, 1000, context=50, answers=10)
    assert ten.flops == pytest.approx(10 * one.flops)
    assert ten.seconds == pytest.approx(10 * one.seconds, rel=0.01)
    together = device.decode(SMALL, 1000, context=50, answers=10, batch=10)
    assert together.flops == pytest.approx(ten.flops)
    assert one.seconds * 0.99 < together.seconds < 0.6 * ten.seconds
    assert together.memory_bytes > ten.memory_bytes


@pytest.mark.parametrize(("text", "down"), [("wifi:122", 122.0), ("4g:5.5", 5.5), ("wifi:median", 83.95)])
def test_one_network_for_all(text, down):
    net = draw_networks(3, np.random.default_rng(0), text)
    assert net.down_mbps.tolist() == [down] * 3
    assert set(net.access) == {text.partition(":")[0]}
    assert (net.up_mbps < net.down_mbps).all()


@pytest.mark.parametrize(("text", "said"), [("wifi:fast", "after the colon"), ("wifi:0", "0.1"), ("dsl:6", "dsl")])
def test_a_network_that_is_none(text, said):
    with pytest.raises(ValueError, match=said):
        draw_networks(1, np.random.default_rng(0), text)
