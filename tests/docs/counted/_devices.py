"""What docs/devices.md says of the cost model itself: XPerT's table, constants, the catalogue and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from devices.adapters import Lora
from devices.architecture import llm
from devices.availability import draw_availability
from devices.calibrate import FREE
from devices.constants import CALIBRATION, calibrated, stated
from devices.device import Device
from devices.networks import FIVE_G_SHARE, UPLOAD_SHARE, WIFI_SHARE, Network
from devices.phones import find_phone, phones
from devices.populations import TIER_SHARE, draw_phones, market_weights
from devices.validate import XPERT, xpert_table
from docs.make.summaries import ROOT
from sim.analysis.tables import records
from tests.docs.counted._shown import percent, spoken

ONE_B = llm("llama-3.2-1b")
SHIPPED = ROOT / "devices" / "llms"
WHAT = ("from scratch", "exhaustive", "XPerT")


def of_the_model() -> Iterator[str]:
    yield from _xpert()
    yield from _constants()
    yield from _catalogue()
    yield from _settings()


def _xpert() -> Iterator[str]:
    """XPerT's table."""
    names = {
        "from scratch, time": ("from scratch, 1000 steps", 1, 0),
        "from scratch, energy": ("its energy", 1, 1),
        "from scratch, power": ("its power", 2, 2),
        "exhaustive, computation": ("exhaustive selection, computation", 1, 1),
        "exhaustive, energy": ("its energy", 1, 1),
        "exhaustive, download": ("exhaustive selection, download", 1, 0),
        "XPerT, computation": ("XPerT selection, computation", 1, 1),
        "XPerT, energy": ("its energy", 1, 1),
        "XPerT, download": ("XPerT selection, download", 1, 1),
        "Pixel 9 Pro, Qwen2-0.5B, a step": ("Pixel 9 Pro, Qwen2-0.5B, a step", 0, 1),
    }
    for row in records(xpert_table()):
        name, theirs, ours = names[row["quantity"]]
        published = "about 1" if name.startswith("Pixel") else f"{row['published']:.{theirs}f}"
        spread = "" if row["low"] == row["high"] else f" {_short(row['low'])}-{_short(row['high'])}"
        yield (
            f"| {name} | {published} {row['unit']} | {row['predicted']:.{ours}f} {row['unit']} "
            f"| {row['ratio']:.2f} |{spread} |"
        )
    other = xpert_table(tokens=83).set_index("quantity").ratio
    kinds = [("time", "energy"), ("computation", "energy"), ("computation", "energy")]
    times, energies = (
        [f"{other[f'{what}, {kind[part]}']:.2f}" for what, kind in zip(WHAT, kinds, strict=True)] for part in (0, 1)
    )
    yield f"`xpert_table(tokens=83)` the three are {spoken(times)} of the published times, "
    yield f"and their energies {spoken(energies)}"
    for what, kind, said in (
        ("from scratch", "time", "are {} by the training time"),
        ("exhaustive", "computation", "{} by the exhaustive search"),
        ("XPerT", "computation", "{} by XPerT's selection"),
    ):
        yield said.format(_exact(f"{what}, {kind}"))
    yield f"implies {_exact('Pixel 9 Pro, Qwen2-0.5B, a step')} tokens"

    phone = find_phone("oneplus-12r")
    known = [
        p.cpu_allcore_power_w for p in map(find_phone, phones())
        if p.tier == "flagship" and p.release_year >= 2022 and "cpu_allcore_power_w" not in p.filled
    ]  # fmt: skip
    yield f"the median of its tier ({phone.cpu_allcore_power_w:.2f} W)"
    other = Device.of(replace(phone, cpu_allcore_power_w=float(np.median(known))), ram_gb=16).train(ONE_B, 1000, 98)
    yield f"the flagships since 2022 that have the figure ({np.median(known):.2f} W, all Google Tensor)"
    yield f"the energy of training would be {other.joules / 1e3:.1f} kJ"


def _exact(quantity: str) -> int:
    """The tokens of a text at which the model's figure is nearest to the published one."""
    found = {n: abs(xpert_table(n, draws=1).set_index("quantity").ratio[quantity] - 1) for n in range(28, 100)}
    return min(found, key=lambda n: found[n])


def _constants() -> Iterator[str]:
    """The table of fitted constants."""
    fitted = json.loads(CALIBRATION.read_text(encoding="utf-8"))["constants"]
    assert len(fitted) == len(FREE) == 9
    unit = {
        "train.gpu_llamacpp": ("LoRA training, gpu_llamacpp", "GFLOP/s"),
        "train.cpu_generic": ("training, cpu_generic", "of the discounted peak"),
        "prefill.cpu_tuned": ("prefill in integers, cpu_tuned", "of the discounted peak"),
        "prefill.cpu_tuned_float": ("prefill in floats, cpu_tuned", "of the discounted peak"),
        "prefill.gpu_llamacpp": ("prefill, gpu_llamacpp", "GFLOP/s"),
        "decode.cpu_tuned": ("decode, cpu_tuned", "of the bandwidth"),
        "decode.gpu_llamacpp": ("decode, gpu_llamacpp", "of the bandwidth"),
        "power.prefill": ("prefill power", "of all-core CPU power"),
        "power.decode": ("decode power", "of all-core CPU power"),
    }
    for key, (name, of_what) in unit.items():
        rate = 1e-9 if of_what == "GFLOP/s" else 1
        value, before = fitted[key]["value"] * rate, stated()[key] * rate
        cold = " (cold; 28 sustained)" if key == "train.gpu_llamacpp" else ""
        spread = "as integers" if key.endswith("float") else f"{fitted[key]['log_sd']:.2f}"
        row = f"| {name} | {_constant(value)} {of_what}{cold} | {before:g} | {spread} | {fitted[key]['phones']} |"
        yield row


def _catalogue() -> Iterator[str]:
    """What the catalogue holds, and what a market mix of it can do."""
    ids, weights = list(phones()), market_weights()
    every = [find_phone(name) for name in ids]
    years = [phone.release_year for phone in every]
    yield f"`phones.csv`: {len(ids)} phones, {min(years)}-{max(years)}"
    thin = [p for p in every if p.tier == "low-mid" and 2022 <= p.release_year <= 2023]
    assert len(thin) == 1
    share = percent(weights[thin[0].phone_id])
    yield f"the one low-mid phone of 2022-2023 stands for all of them ({share} of the draws)"
    yield f"Apple comes to {percent(sum(w for name, w in weights.items() if name.startswith('apple')))}"
    yield f"tiers {' / '.join(f'{100 * share:.0f}' for share in TIER_SHARE.values())} % (entry to flagship)"
    market = np.array([weights[name] for name in ids])
    cannot = {
        (ram, precision): 1 - float(market @ Device.of(ids, ram_gb=ram).train(
            ONE_B, 1, 98, precision=precision, checkpointing="auto").fits)
        for ram in ("smallest", "largest") for precision in ("fp16", "int4")
    }  # fmt: skip
    small, least = (percent(cannot["smallest", precision]) for precision in ("fp16", "int4"))
    yield f"At the smallest RAM variants {small} of a market-mix population cannot train Llama-3.2-1B in fp16, "
    yield f"in fp16, {least} cannot in 4 bits"
    yield f"at the largest {percent(cannot['largest', 'fp16'])} and {100 * cannot['largest', 'int4']:.1f} %"

    n = 20_000
    drawn = Device.of(draw_phones(n, "market", np.random.default_rng(1)), rng=np.random.default_rng(2))
    busy = drawn.train(ONE_B, 1000, 98, precision="int4").seconds
    released = np.random.default_rng(4).uniform(0, 24 * 14, n)
    done = draw_availability(n, np.random.default_rng(3)).hours_until_done(busy, released)
    able = np.isfinite(busy)
    yield (
        f"trained in 4 bits on the market mix is {np.median(busy[able]) / 3600:.1f} h of work in the median "
        f"and done {np.median(done[able]):.0f} h after a release"
    )


def _settings() -> Iterator[str]:
    """What the constants and the files of devices/ set."""
    of = stated()
    yield f"full speed for {of['thermal.knee_s']:g} s, then a decay ({of['thermal.decay_s']:g} s) to a floor"
    yield f"{percent(of['thermal.floor_light'])} on other phones"
    fraction, floor, reserve = (of[f"memory.app_{part}"] for part in ("fraction", "floor", "reserve_gb"))
    yield f"max({floor:g} RAM, {fraction:g} RAM - {reserve:g} GB)"
    yield f"(eMMC 5.1, UFS 2, 3, 4) at {percent(of['flash.achieved'])} of the product figure"
    yield f"as long as {of['mebp.step_forwards']:g} forward passes, "
    yield f"which unpacking makes 1 / (1 - {of['mebp.unpacking']:g})"
    yield f"{of['power.flash_w']:g} W for flash"
    adam = 12 * Lora(8, "all-linear").parameters(ONE_B) / 1e9
    yield f"12 bytes more a trained weight ({adam:.2f} GB for Llama-3.2-1B with rank 8 on all matrices)"
    spreads = [np.exp(1.645 * calibrated().of(f"{rate}.cpu_tuned").log_sd) for rate in ("prefill", "decode", "train")]
    prefill, decode, train = (f"{spread:.2g}".removesuffix(".0") for spread in spreads)
    yield f"span a factor of {prefill} either way for prefill on the CPU, "
    yield f"{decode} for decode, {float(train):.0f} for training"
    generic, floats = calibrated()["train.cpu_generic"], calibrated()["prefill.cpu_tuned_float"]
    yield f"{percent(of['train.cpu_tuned'])} of the discounted peak is a choice between a Java stack"
    yield f"tuned forward passes in floats ({percent(floats)}, measured on one phone)"
    assert 0.07 <= generic < 0.08
    yield f"training draws {percent(of['power.train'])} of all-core power"
    yield f"training power ({percent(of['power.train'])} of all cores)"
    yield f"{100 * WIFI_SHARE:g} % Wi-Fi, the rest {100 * FIVE_G_SHARE:g} % 5G"
    yield f"Upload is {UPLOAD_SHARE['wifi'][0]:g} of download on Wi-Fi, {UPLOAD_SHARE['4g'][0]:g} on cellular"
    hours, spread, start = (of[f"availability.{part}"] for part in ("hours", "hours_sd", "start_sd_h"))
    assert of["availability.start_h"] == 23.5
    nights = percent(of["availability.nights"])
    yield f"a window of {hours:g} h (sd {spread:g}) a night from 23:30 (sd {start:g} h), on {nights} of nights"
    link, size = Network.median().down_mbps, ONE_B.weight_bytes("fp16") / 1e9
    implied = 8 * XPERT["pool"] * size * 1e3 / (75.6 * 60)
    yield (
        f"{XPERT['pool']} LLMs of {size:.2f} GB on the world's median Wi-Fi ({float(link):.0f} Mbit/s); "
        f"theirs is unpublished, the figure implies {implied:.0f}"
    )
    shapes = [path.stem for path in SHIPPED.glob("*.json")]
    yield f"`llms/`: {len(shapes) - 1} LLMs, from GPT-2 to Llama-2-13B, and one sentence encoder"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _constant(value: float) -> str:
    for limit, shown in ((0.1, f"{value:.3f}"), (1.0, f"{value:.2f}"), (10.0, f"{value:.2f}"), (100.0, f"{value:.1f}")):
        if value < limit:
            return shown
    return f"{value:,.0f}"
