"""The bill of phones: what choosing, downloads and fine-tuning cost each for the deployed LLMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from devices import Adapter, Cost, Device, total
from devices.basics import Floats, Numbers
from sim.ledger import prices
from sim.ledger.prices import Priced
from sim.ledger.terms import Terms
from sim.ledger.work import LLMS, Figures, Key, Work
from sim.records.tables import CANNOT_CHOOSE, DOES_NOT_FIT, USERS

SELECTION, DOWNLOAD, PRIVATE, UPLOAD = "selection", "download", "private", "upload"
AFTERWARDS = (PRIVATE, UPLOAD)
"""Phases of what a phone does for others, when its own LLM is ready."""
COLUMNS = frozenset(column.name for column in USERS)


@dataclass(frozen=True)
class Tuned:
    """Fine-tuning to be billed, arrays (users,): billed steps, tokens of a step, and what is trained."""

    steps: Floats
    step_tokens: Numbers
    adapter: Adapter


@dataclass(frozen=True)
class Bill:
    """What users who did the same kinds of work are billed. `phases` has all parts but fine-tuning, by name."""

    phases: Mapping[str, Cost]
    training: Cost
    flops: Mapping[str, Numbers]

    @property
    def busy_s(self) -> Numbers:
        """Seconds that a phone is busy until its LLM is ready; what it gives to others comes afterwards."""
        before = (cost.seconds for name, cost in self.phases.items() if name not in AFTERWARDS)
        return sum(before, np.float64(0.0)) + self.training.seconds

    def fits(self) -> list[tuple[str, str]]:
        """The columns `fits` and `why` of each phone: fine-tuning goes first, which every strategy needs."""
        choosing, training = self.phases[SELECTION], self.training
        shape = training.status.shape
        streamed, refused = (np.broadcast_to(v, shape) for v in (choosing.streamed, choosing.refused))
        out = [("streamed" if s else "yes", "") for s in streamed]
        for i in np.flatnonzero(refused).tolist():
            out[i] = CANNOT_CHOOSE, choosing.at(i).reason
        for i in np.flatnonzero(training.refused).tolist():
            out[i] = DOES_NOT_FIT, training.at(i).reason
        return out

    def columns(self) -> dict[str, Numbers]:
        """The billed columns of users.csv."""
        values: dict[str, Numbers] = {}
        for name, cost in self.phases.items():
            values |= {f"{name}_flops": self.flops[name], f"{name}_s": cost.seconds, f"{name}_j": cost.joules}
        values["bytes_down"] = sum((cost.bytes_down for cost in self.phases.values()), np.float64(0.0))
        values["bytes_up"] = sum((cost.bytes_up for cost in self.phases.values()), np.float64(0.0))
        values |= {"finetune_flops": self.flops["finetune"]}
        values |= {"finetune_s": self.training.seconds, "finetune_j": self.training.joules}
        values["memory_gb"] = self.training.memory_bytes / 1e9
        charges = (cost.battery_share for cost in self.phases.values())
        values["battery_charges"] = sum(charges, np.float64(0.0)) + self.training.battery_share
        return {name: value for name, value in values.items() if name in COLUMNS}


def check_phases(handlers: Mapping[str, Priced]) -> None:
    """Raise ValueError where a request is billed to a phase that users.csv has no columns for."""
    for kind, handler in handlers.items():
        if missing := {f"{handler.phase}_s", f"{handler.phase}_j"} - COLUMNS:
            raise ValueError(
                f"{kind} is billed as {handler.phase!r}, but users.csv has no column {sorted(missing)[0]!r}"
            )


def phases(
    device: Device, work: Mapping[Key, Figures], terms: Terms, handlers: Mapping[str, Priced]
) -> dict[str, Cost]:
    """What work costs phones, fine-tuning apart, by phase; those that are named here are always among them."""
    parts: dict[str, list[Cost]] = {SELECTION: [], DOWNLOAD: [], PRIVATE: [], UPLOAD: []}
    for kind, handler in handlers.items():
        for name in ("", *LLMS):
            if (n := work.get(Key(kind, name))) is not None:
                parts.setdefault(handler.phase, []).extend(handler.cost(terms, device, name, n))
    return {phase: total(costs or [device.wait(0)]) for phase, costs in parts.items()}


def bill(
    device: Device, work: Mapping[Key, Figures], tuned: Tuned, terms: Terms, handlers: Mapping[str, Priced]
) -> Bill:
    """The bill of phones for the work of choosing, and for fine-tuning."""
    before = phases(device, work, terms, handlers)
    training = prices.training(terms, device, tuned.steps, tuned.step_tokens, tuned.adapter)
    flops: dict[str, Numbers] = {name: cost.flops for name, cost in before.items()}
    flops["finetune"] = training.flops
    if np.any(before[SELECTION].refused) or np.any(training.refused):
        # FLOPs also where the LLM does not fit: those on the same phone with room for anything. Only there, for a
        # phone that fits by gradient checkpointing computes more than one with room.
        roomy = replace(device, usable_bytes=np.full(len(tuned.steps), np.inf))
        choosing = phases(roomy, work, terms, handlers)[SELECTION].flops
        tuning = prices.training(terms, roomy, tuned.steps, tuned.step_tokens, tuned.adapter).flops
        flops[SELECTION] = np.where(before[SELECTION].refused, choosing, flops[SELECTION])
        flops["finetune"] = np.where(training.refused, tuning, flops["finetune"])
    return Bill(before, training, flops)


def cells(value: Numbers, count: int) -> list[float | str]:
    """A column: empty cells where a phase was refused and so has no cost."""
    return ["" if v != v else v for v in np.broadcast_to(np.asarray(value, dtype=np.float64), count).tolist()]


def alike(works: Sequence[Work], merged: Sequence[int]) -> list[list[int]]:
    """Places of users in groups that did the same kinds of work, and whose start merges as many pLLMs."""
    groups: dict[object, list[int]] = {}
    for i, (mine, pllms) in enumerate(zip(works, merged, strict=True)):
        did = frozenset((key, frozenset(figures)) for key, figures in mine.items())
        groups.setdefault((pllms, did), []).append(i)
    return list(groups.values())
