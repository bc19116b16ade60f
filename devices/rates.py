"""From a phone, a network and a software backend to the rates of a `Device`, with or without a draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from devices.basics import Floats, Numbers, UnknownName, Words, floats
from devices.constants import Constants
from devices.memory import usable_bytes
from devices.networks import ACCESS, Network
from devices.phones import Phone, find_phone, phones
from devices.thermal import cpu_floor

BACKENDS = ("cpu_tuned", "cpu_generic", "gpu_llamacpp", "gpu_mlx")

Which = str | Phone | Sequence[str | Phone] | Words
"""A phone or its name, or a sequence of them, or an array of names."""
Ram = Numbers | Literal["smallest", "largest"]
"""GB of RAM, or which of the variants sold."""


def exists_on(backend: str, phone: Phone) -> bool:
    """Whether a backend runs on a phone at all: MLX is Apple's."""
    return backend != "gpu_mlx" or phone.os == "iOS"


def rates(
    which: Which,
    network: Network,
    backend: str,
    rng: np.random.Generator | None,
    ram_gb: Ram,
    threads: int | None,
    screen_on: bool,
    constants: Constants,
) -> tuple[Words, Words, dict[str, Floats]]:
    """The phones' ids and tiers, and the fields of `Device` that are rates; arguments as in `Device.of`."""
    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    cpu = backend.startswith("cpu")
    if threads is not None and (threads < 1 or not cpu):
        raise ValueError(f"threads must be 1 or more, on a CPU backend, not {threads} on {backend}")
    ids, kinds, index = _catalogue_index(which)
    if android := [p.name for p in kinds if not exists_on(backend, p)]:
        raise ValueError(f"backend 'gpu_mlx' exists on iPhones only, not on {android[0]}")

    def each(figure: Callable[[Phone], float]) -> Floats:
        return np.array([figure(phone) for phone in kinds], dtype=np.float64)[index]

    def deviations() -> Floats:
        return np.zeros(ids.shape) if rng is None else rng.standard_normal(ids.shape)

    # a phone that is fast for its model is fast in every phase, and one that is hungry is hungry in every phase
    speed, hunger, storage, radio_unit = (deviations() for _ in range(4))

    def draw(name: str, own: Floats, scale: float | Floats = 1.0) -> Floats:
        constant = constants.of(name)
        return floats(scale * constant.value * np.exp(constant.log_sd * own))[()]

    tiers = np.array([p.tier for p in kinds])[index]
    scale = each(lambda p: p.cpu_scale_gflops * p.threads_share(threads) * 1e9) if cpu else 1.0
    bandwidth = each(lambda p: p.memory_bandwidth_gb_s * 1e9)
    all_core_w = each(lambda p: p.cpu_allcore_power_w)
    if cpu:
        limits = constants["power.train_min"], constants["power.train_max"]
        watts = {"train": np.clip(draw("power.train", hunger, all_core_w), *limits)}
        watts |= {phase: draw(f"power.{phase}", hunger, all_core_w) for phase in ("prefill", "decode")}
        floors = {phase: cpu_floor(w, tiers == "flagship", constants) for phase, w in watts.items()}
    else:
        gpu_w, stability = draw("power.gpu_w", hunger), each(lambda p: p.gpu_3dmark_stability_pct / 100)
        watts = dict.fromkeys(("train", "prefill", "decode"), gpu_w)
        floors = dict.fromkeys(watts, np.minimum(stability, 1.0))
    flash = constants["flash.achieved"] * each(lambda p: constants[f"flash.{p.flash}"] * 1e9)
    access = np.select([network.access == a for a in ACCESS], range(len(ACCESS)))
    radio = {part: np.array([constants[f"radio.{a}_{part}"] for a in ACCESS])[access]
             for part in ("w", "down_w_per_mbps", "up_w_per_mbps")}  # fmt: skip
    if isinstance(ram_gb, str):
        pick = min if ram_gb == "smallest" else max
        ram = each(lambda p: pick(p.ram_options_gb or (p.ram_gb,)))
    else:
        ram = floats(ram_gb)
    train_flop_s, prefill_flop_s = (draw(f"{work}.{backend}", speed, scale) for work in ("train", "prefill"))
    in_floats = constants.get(f"prefill.{backend}_float", constants[f"prefill.{backend}"])
    figures = {
        "train_flop_s": train_flop_s,
        "prefill_flop_s": prefill_flop_s,
        "prefill_float_flop_s": prefill_flop_s * in_floats / constants[f"prefill.{backend}"],
        "decode_bytes_s": draw(f"decode.{backend}", speed, bandwidth),
        "read_bytes_s": constants["memory.read_fraction"] * bandwidth,
        "flash_bytes_s": flash * np.exp(constants.of("flash.ufs_3").log_sd * storage),
        "usable_bytes": usable_bytes(ram, constants),
        **{f"{phase}_w": w for phase, w in watts.items()},
        **{f"{phase}_floor": floor for phase, floor in floors.items()},
        "radio_w": radio["w"] * np.exp(constants.of("radio.4g_w").log_sd * radio_unit),
        "screen_w": floats(constants["power.screen_w"] * screen_on)[()],
        "radio_down_w_per_mbps": radio["down_w_per_mbps"],
        "radio_up_w_per_mbps": radio["up_w_per_mbps"],
        "battery_j": each(lambda p: p.battery_wh * 3600),
    }
    return ids, tiers, figures


def _catalogue_index(which: Which) -> tuple[Words, list[Phone], npt.NDArray[np.int64]]:
    """Ids as asked for, the different phones among them, and which of those each one is."""
    if isinstance(which, str | Phone):
        phone = which if isinstance(which, Phone) else find_phone(which)
        return np.array(phone.phone_id), [phone], np.array(0)
    given = {p.phone_id: p for p in which if isinstance(p, Phone)} if not isinstance(which, np.ndarray) else {}
    ids = np.asarray([p.phone_id if isinstance(p, Phone) else p for p in which] if given else which, dtype=str)
    names, index = np.unique(ids, return_inverse=True)
    known = phones()
    return ids, [given.get(n) or known.get(n) or find_phone(n) for n in names], index.reshape(ids.shape)
