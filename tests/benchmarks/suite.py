"""Which measurements make up the benchmark: quick, to see that all is well, or full, for the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.benchmarks.workload import POCKET, Workload

Spec = Mapping[str, Any]
CONTESTANTS: Mapping[str, Spec] = {
    "flowertune": {"case": "flowertune"},
    "peft": {"case": "peft"},
    "peft-1-thread": {"case": "peft", "threads": 1},
    "one-lane": {"case": "ours", "engine": {"lanes": 1}},
    "headstart": {"case": "ours"},
}
"""(a); (b) twice, of which the faster counts; (c); (d)."""


@dataclass(frozen=True)
class Race:
    """Every contestant does a workload."""

    workload: Workload
    repeats: int


@dataclass(frozen=True)
class LaneSweep:
    """Training with each width, for as many users as lanes but `least` at least."""

    workload: Workload
    least: int
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    repeats: int = 1


@dataclass(frozen=True)
class Measurement:
    """`key` says what repeats of it have in common."""

    kind: str
    key: tuple[Any, ...]
    spec: Spec


@dataclass(frozen=True)
class Suite:
    races: tuple[Race, ...]
    lanes: tuple[LaneSweep, ...]
    cost_only: tuple[int, ...]

    def measurements(self, cores: int) -> Iterator[Measurement]:
        """All of them, repeats interleaved, so that a busy minute hits no contestant alone."""
        for race in self.races:
            yield Measurement("work", (race.workload.llm,), {"case": "work", "workload": asdict(race.workload)})
        for repeat in range(max((part.repeats for part in (*self.races, *self.lanes)), default=0)):
            yield Measurement("gemm", (), {"case": "gemm", "threads": cores})
            for race in self.races:
                if repeat < race.repeats:
                    for name, spec in CONTESTANTS.items():
                        workload = {"workload": asdict(race.workload)}
                        yield Measurement("race", (race.workload.llm, name), {**spec, **workload})
            for sweep in self.lanes:
                if repeat < sweep.repeats:
                    for width in sweep.widths:
                        spec = {"width": width, "least": sweep.least, "workload": asdict(sweep.workload)}
                        yield Measurement("lanes", (sweep.workload.llm, width), {"case": "lanes", **spec})
        for users in self.cost_only:
            for backend in ("inline", "flower"):
                spec = {"case": "cost_only", "users": users, "backend": backend}
                yield Measurement("cost_only", (users, backend), spec)


SMALL = Workload(POCKET, users=24, steps=30)
MIDDLE = Workload("12m", users=8, steps=6, texts=16, held_out=6, evaluate_every=3)
LARGE = Workload("135m", users=4, steps=2, texts=8, held_out=2, evaluate_every=2)

FULL = Suite(
    races=(Race(SMALL, 3), Race(MIDDLE, 2), Race(LARGE, 2)),
    lanes=(
        LaneSweep(replace(SMALL, steps=10), least=16),
        LaneSweep(replace(MIDDLE, steps=2), least=8),
        LaneSweep(replace(LARGE, steps=1), least=2, widths=(1, 2, 4, 8, 16, 32)),  # 64 were killed on 24 GB
    ),
    cost_only=(100, 1_000, 10_000, 50_000),
)
QUICK = Suite(
    races=(Race(replace(SMALL, users=8, steps=10), 1),),
    lanes=(LaneSweep(replace(SMALL, steps=5), least=4, widths=(1, 4, 16)),),
    cost_only=(100, 1_000),
)
