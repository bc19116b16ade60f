"""A user's phone and what its work costs: phone x network x software backend x its own draw of the rates.

Time of a phase is the larger of its compute and its memory (or flash) time, then throttling. Energy is
power by phase times time; a throttled phone draws less in proportion to its speed, so throttling lengthens
a phase without adding to the work's own energy, only to the screen's. A `Device` holds rates, not names, as
numbers or as arrays: the same formulas cost one phone or a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from devices import flops, mebp, memory
from devices.adapters import Adapter, Lora
from devices.architecture import Llm, quantised
from devices.basics import Floats, Numbers, UnknownName, Words, floats
from devices.constants import Constants, calibrated
from devices.cost import Cost, where
from devices.networks import Network
from devices.rates import Ram, Which, rates
from devices.thermal import throttled

MBIT = 1e6


@dataclass(frozen=True)
class Device:
    """The rates of one phone, or of many as arrays of one shape. Build it with `Device.of`.

    Units: FLOP/s, byte/s, byte, W, J; floors are the share of the first speed that a throttled phone holds.
    `tiers` are those of the phones ("entry" to "flagship"), `usable_bytes` the RAM that an app may use.
    """

    phone_ids: Words
    tiers: Words
    backend: str
    network: Network
    train_flop_s: Floats
    prefill_flop_s: Floats
    prefill_float_flop_s: Floats
    decode_bytes_s: Floats
    read_bytes_s: Floats
    flash_bytes_s: Floats
    usable_bytes: Floats
    train_w: Floats
    prefill_w: Floats
    decode_w: Floats
    train_floor: Floats
    prefill_floor: Floats
    decode_floor: Floats
    radio_w: Floats
    radio_down_w_per_mbps: Floats
    radio_up_w_per_mbps: Floats
    screen_w: Floats
    battery_j: Floats
    constants: Constants

    @classmethod
    def of(
        cls,
        phones: Which,
        network: Network | None = None,
        *,
        backend: str = "cpu_tuned",
        rng: np.random.Generator | None = None,
        ram_gb: Ram = "smallest",
        threads: int | None = None,
        screen_on: bool = False,
        constants: Constants | None = None,
    ) -> Device:
        """The device of a phone (scalars) or of a sequence of phone ids (arrays).

        `network` defaults to the median Wi-Fi. With `rng` every phone draws its own rates from the stated
        log-sd; without, it has the medians. `ram_gb` picks the variant, or states it. `threads`: how many
        CPU cores the software uses, the fastest first (default: all; 4 is what many engines start with).
        Raises UnknownName for an unknown phone or backend, ValueError where a backend does not exist on a
        phone, or for threads below 1 or of a GPU.
        """
        constants = constants or calibrated()
        network = network or Network.median()
        ids, tiers, figures = rates(phones, network, backend, rng, ram_gb, threads, screen_on, constants)
        return cls(phone_ids=ids, tiers=tiers, network=network, backend=backend, constants=constants, **figures)

    # ------------------------------------------------------------ phases

    def prefill(
        self,
        llm: Llm,
        tokens: Numbers,
        *,
        context: Numbers | None = None,
        precision: str = "fp16",
        logits: Numbers | None = None,
        passes: Numbers = 1,
        phase: str = "prefill",
    ) -> Cost:
        """Forward pass over `tokens` tokens in sequences of `context` (default: one sequence).

        `logits`: positions at which the output head runs (default: one a sequence). An LLM that does not
        fit is read from flash layer by layer, `passes` times: once if all sequences go through a layer
        together.
        """
        tokens, passes = floats(tokens), floats(passes)
        length = tokens if context is None else np.minimum(floats(context), tokens)
        sequences = np.where(tokens > 0, tokens / np.maximum(length, 1), 0.0)
        work = flops.forward(llm, tokens, length, sequences if logits is None else logits)
        weights = llm.read_bytes(precision)
        whole = memory.inference_bytes(llm, length, precision, self.constants)
        waiting = 2 * 4.0 * llm.width * tokens / passes  # hidden states of the other sequences
        streaming = memory.streaming_bytes(llm, length, precision, self.constants) + waiting
        reads = np.ceil(sequences)
        return self._inference(
            phase, precision, work, reads * weights / self.read_bytes_s, passes * weights * (tokens > 0), whole,
            streaming, self.prefill_w, self.prefill_floor,
        )  # fmt: skip

    def evaluate(
        self,
        llm: Llm,
        tokens: Numbers,
        *,
        context: Numbers | None = None,
        precision: str = "fp16",
        passes: Numbers = 1,
    ) -> Cost:
        """The loss on `tokens` tokens: a prefill whose output head runs at every position."""
        return self.prefill(
            llm, tokens, context=context, precision=precision, logits=tokens, passes=passes, phase="evaluate"
        )

    def decode(
        self,
        llm: Llm,
        tokens: Numbers,
        *,
        context: Numbers = 0,
        precision: str = "fp16",
        answers: Numbers = 1,
        batch: Numbers = 1,
    ) -> Cost:
        """Writing `tokens` tokens in all, as `answers` answers of like length, each after `context` earlier tokens.

        `batch` answers are written side by side: they share every reading of the weights, and each reads its own cache.
        """
        tokens, context, answers, batch = floats(tokens), floats(context), floats(answers), floats(batch)
        length, reads = tokens / answers, tokens / batch
        weights = llm.read_bytes(precision)
        cache = llm.kv_bytes(1) * tokens * (context + (length + 1) / 2)
        whole = memory.inference_bytes(llm, (length + context) * batch, precision, self.constants)
        streaming = memory.streaming_bytes(llm, (length + context) * batch, precision, self.constants)
        return self._inference(
            "decode", precision, answers * flops.decode(llm, length, context),
            (reads * weights + cache) / self.decode_bytes_s, reads * weights, whole, streaming,
            self.decode_w, self.decode_floor,
        )  # fmt: skip

    def train(
        self,
        llm: Llm,
        steps: Numbers,
        tokens_per_step: Numbers,
        *,
        adapter: Adapter | None = Lora(),
        context: Numbers | None = None,
        precision: str = "fp16",
        checkpointing: bool | Literal["auto"] = False,
        runtime: memory.Runtime = "resident",
    ) -> Cost:
        """Training of an adapter: `steps` steps of `tokens_per_step` tokens in sequences of `context` (default: one).

        `adapter=None` trains every weight, in fp32. `checkpointing="auto"` turns it on where the step would
        not fit without. `runtime="mebp"` always recomputes, and only trains adapters (`mebp.py`). Training that does
        not fit is refused: the Cost says so, nothing is raised. Raises ValueError for another runtime, or full
        fine-tuning under `mebp`.
        """
        if runtime == memory.MEBP:
            return self._train_mebp(llm, floats(steps), floats(tokens_per_step), adapter, context, precision)
        if runtime != memory.RESIDENT:
            raise UnknownName("runtime", runtime, memory.RUNTIMES)
        if checkpointing == "auto":
            plain = self.train(llm, steps, tokens_per_step, adapter=adapter, context=context, precision=precision)
            if not np.any(plain.refused):
                return plain
            saved = self.train(llm, steps, tokens_per_step, adapter=adapter, context=context, precision=precision,
                               checkpointing=True)  # fmt: skip
            return where(plain.refused, saved, plain)
        tokens, steps = floats(tokens_per_step), floats(steps)
        if adapter is None:
            precision = "fp32"
            step_flops = flops.full_step(llm, tokens, context) * (4 / 3 if checkpointing else 1)
        else:
            step_flops = adapter.step_flops(llm, tokens, context, checkpointing=checkpointing)
        reads = self.constants["memory.train_weight_reads"] + bool(checkpointing)
        step_s = np.maximum(step_flops / self.train_flop_s, reads * llm.read_bytes(precision) / self.read_bytes_s)
        peak = memory.training_bytes(llm, tokens, precision, self.constants, adapter=adapter,
                                     context=context, checkpointing=checkpointing)  # fmt: skip
        status = np.where(peak <= self.usable_bytes, memory.FITS, memory.REFUSED)
        seconds = throttled(steps * step_s, self.train_floor, self.constants)
        joules = steps * step_s * self.train_w + seconds * self.screen_w
        return self._cost("train", seconds, joules, steps * step_flops, peak, status, runtime=memory.RESIDENT)

    def _train_mebp(
        self,
        llm: Llm,
        steps: Floats,
        tokens: Floats,
        adapter: Adapter | None,
        context: Numbers | None,
        precision: str,
    ) -> Cost:
        if adapter is None:
            raise ValueError(f"runtime {memory.MEBP!r} trains adapters; full fine-tuning does not exist there")
        work = adapter.step_flops(llm, tokens, context, checkpointing=True)
        as_long_as = np.maximum(work, mebp.time_flops(llm, tokens, precision, self.constants, context=context))
        weights = llm.read_bytes(precision)
        from_flash = self.constants["mebp.weight_visits"] * weights
        reads = self.constants["memory.train_weight_reads"] + 1
        roof = np.maximum(reads * weights / self.read_bytes_s, from_flash / self.flash_bytes_s)
        cold_s = steps * np.maximum(as_long_as / self.train_flop_s, roof)
        peak = mebp.training_bytes(llm, tokens, precision, self.constants, adapter=adapter, context=context)
        status = np.where(peak <= self.usable_bytes, memory.FITS, memory.REFUSED)
        seconds = throttled(cold_s, self.train_floor, self.constants)
        joules = cold_s * self.train_w + seconds * (self.screen_w + self.constants["power.flash_w"])
        return self._cost("train", seconds, joules, steps * work, peak, status, flash=steps * from_flash,
                          runtime=memory.MEBP)  # fmt: skip

    def download(self, size: Numbers) -> Cost:
        """`size` bytes over the phone's network, one request."""
        seconds, joules = self._transfer(size, self.network.down_mbps, self.radio_down_w_per_mbps)
        return self._cost("download", seconds, joules, bytes_down=size)

    def upload(self, size: Numbers) -> Cost:
        """`size` bytes to the cloud, one request."""
        seconds, joules = self._transfer(size, self.network.up_mbps, self.radio_up_w_per_mbps)
        return self._cost("upload", seconds, joules, bytes_up=size)

    def wait(self, seconds: Numbers) -> Cost:
        """Idle time, screen off."""
        idle = floats(seconds)
        return self._cost("wait", idle, idle * self.constants["power.idle_w"])

    # ------------------------------------------------------------ shared

    def _inference(
        self,
        phase: str,
        precision: str,
        work: Floats,
        memory_s: Floats,
        flash_bytes: Floats,
        whole: Floats,
        streaming: Floats,
        watts: Floats,
        floor: Floats,
    ) -> Cost:
        fits = whole <= self.usable_bytes
        status = np.where(fits, memory.FITS, np.where(streaming <= self.usable_bytes, memory.STREAMS, memory.REFUSED))
        roof = np.where(fits, memory_s, np.maximum(memory_s, flash_bytes / self.flash_bytes_s))
        flop_s = self.prefill_flop_s if quantised(precision) else self.prefill_float_flop_s
        cold_s = np.maximum(work / flop_s, roof)
        seconds = throttled(cold_s, floor, self.constants)
        joules = cold_s * watts + seconds * (self.screen_w + np.where(fits, 0.0, self.constants["power.flash_w"]))
        peak = np.where(fits, whole, streaming)
        return self._cost(phase, seconds, joules, work, peak, status, flash=np.where(fits, 0.0, flash_bytes))

    def _transfer(self, size: Numbers, mbps: Floats, slope: Floats) -> tuple[Floats, Floats]:
        size = floats(size)
        waiting_s = np.where(size > 0, self.network.latency_ms / 1000, 0.0)
        sending_s = size * 8 / (mbps * MBIT)
        seconds = waiting_s + sending_s
        return seconds, seconds * (self.radio_w + self.screen_w) + sending_s * slope * mbps

    def _cost(
        self,
        phase: str,
        seconds: Floats,
        joules: Floats,
        work: Numbers = 0.0,
        peak: Numbers = 0.0,
        status: int | npt.NDArray[np.int64] = memory.FITS,
        *,
        bytes_down: Numbers = 0.0,
        bytes_up: Numbers = 0.0,
        flash: Numbers = 0.0,
        runtime: str = "",
    ) -> Cost:
        ran = np.where(np.asarray(status) == memory.REFUSED, np.nan, 1.0)
        joules = joules * ran

        def plain(value: Numbers) -> Floats:
            return floats(value)[()]  # a number for one phone, an array for many

        return Cost(
            phase=phase,
            seconds=plain(seconds * ran),
            joules=plain(joules),
            flops=plain(work * ran),
            bytes_down=plain(bytes_down),
            bytes_up=plain(bytes_up),
            bytes_flash=plain(flash),
            battery_share=plain(joules / self.battery_j),
            memory_bytes=plain(peak),
            usable_bytes=self.usable_bytes,
            status=np.asarray(status, dtype=np.int8)[()],
            runtime=runtime,
        )
