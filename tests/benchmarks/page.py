"""docs/bench.md and the picture, made from the committed results: `python -m tests.benchmarks.page`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, PAGE, PICTURE = ROOT / "results" / "reference" / "bench", ROOT / "docs" / "bench.md", "bench.png"
NAMES = {
    "flowertune": "(a) FlowerTune pattern",
    "peft": "(b) PEFT loop, torch's threads",
    "peft-1-thread": "(b) PEFT loop, one thread",
    "one-lane": "(c) Headstart, one lane",
    "headstart": "(d) Headstart",
}
LOOPS = ("peft", "peft-1-thread")
GAIN = 1.05
"""A gain is called one from 5 % on."""

Tables = Mapping[str, pd.DataFrame]


def load(folder: Path = REFERENCE) -> tuple[Tables, dict[str, Any]]:
    """The tables of a benchmark's folder, and the machine."""
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in ("race", "lanes", "cost_only")}
    return tables, json.loads((folder / "machine.json").read_text())


# ---------------------------------------------------------------- what follows from the tables


def gains(race: pd.DataFrame) -> pd.DataFrame:
    """Headstart's users per second over those of (a), of the faster (b) and of (c), by LLM."""
    rate = race.pivot(index="llm", columns="contestant", values="users_per_s").loc[race.llm.unique()]
    ours = rate["headstart"]
    over = {"a": rate["flowertune"], "b": rate[list(LOOPS)].max(axis=1), "c": rate["one-lane"]}
    return pd.DataFrame({name: ours / other for name, other in over.items()})


def break_even(lanes: pd.DataFrame, llm: str) -> tuple[int | None, int, float]:
    """Fewest lanes that gain over one lane, the best number of lanes, and its gain (1: none)."""
    some = lanes[lanes.llm == llm].sort_values("lanes")
    gain = some.s_per_user_step[some.lanes == 1].item() / some.s_per_user_step
    best = gain.idxmax()
    gaining = some.lanes[gain >= GAIN]
    return (int(gaining.iloc[0]) if len(gaining) else None), int(some.lanes[best]), float(gain[best])


def slope(cost_only: pd.DataFrame, backend: str, least: int = 1_000) -> float:
    """Log-log slope of seconds over users from `least` users on; NaN for fewer than two sizes."""
    some = cost_only[(cost_only.backend == backend) & (cost_only.users >= least)]
    return float(np.polyfit(np.log(some.users), np.log(some.seconds), 1)[0]) if len(some) > 1 else math.nan


# ---------------------------------------------------------------- Markdown


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _size(machine: Mapping[str, Any], llm: str) -> str:
    return f"{_number(machine['llms'][llm]['parameters'] / 1e6)} M" if llm in machine["llms"] else llm


def _number(value: float) -> str:
    """Two digits or more, never in powers of ten; empty for NaN."""
    return "" if math.isnan(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def race_tables(tables: Tables, machine: Mapping[str, Any]) -> str:
    race, over, parts = tables["race"], gains(tables["race"]), []
    for llm in race.llm.unique():
        some = race[race.llm == llm]
        rows = [
            [
                NAMES[r.contestant],
                f"{r.users_per_s:.3g}",
                _number(1000 * r.s_per_user_step),
                f"{100 * r.gemm_share:.1f} %",
                f"{r.peak_mb:.0f}",
                f"{r.fastest_s:.3g} to {r.slowest_s:.3g}",
                f"{r.loss_gap:.0e}",
            ]
            for r in some.itertuples()
        ]
        first, gain = some.iloc[0], over.loc[llm]
        parts.append(
            f"**{_size(machine, llm)} parameters** ({llm}): {first.users} users, {first.steps} steps each, "
            f"{first.repeats} interleaved runs.\n(d) over (a): **{gain.a:.1f}x**; over the faster (b): "
            f"**{gain.b:.1f}x**; over (c): {gain.c:.2f}x.\n"
        )
        heads = ["contestant", "users/s", "ms a user-step", "of the GEMM rate", "peak MB", "runs, s", "loss gap, nats"]
        parts.append(_table(heads, rows) + "\n")
    return "\n".join(parts)


def lanes_table(tables: Tables, machine: Mapping[str, Any]) -> str:
    lanes = tables["lanes"]
    wide = lanes.pivot(index="llm", columns="lanes", values="s_per_user_step").loc[lanes.llm.unique()]
    rows, said = [], []
    for llm in wide.index:
        rows.append([_size(machine, llm), *(_number(1000 * s) for s in wide.loc[llm])])
        first, best, gain = break_even(lanes, llm)
        said.append(
            f"{_size(machine, llm)}: break-even at {first} lanes, best {best} lanes ({gain:.2f}x one lane)"
            if first
            else f"{_size(machine, llm)}: no number of lanes gains {100 * (GAIN - 1):.0f} % over one (best {gain:.2f}x)"
        )
    table = _table(["ms a user-step at lanes:", *map(str, wide.columns)], rows)
    return table + "\n\n" + "\n".join(f"- {line}." for line in said) + "\n"


def cost_only_table(tables: Tables) -> str:
    some = tables["cost_only"]
    rows = [
        [f"{r.users:,}", r.backend, f"{r.seconds:.2f}", f"{r.users_per_s:,.0f}", f"{r.peak_mb:.0f}"]
        for r in some.itertuples()
    ]
    slopes = ", ".join(f"{slope(some, b):.2f} on {b}" for b in some.backend.unique())
    table = _table(["users", "backend", "seconds", "users/s", "peak MB"], rows)
    return f"{table}\n\nLog-log slope from 1,000 users: {slopes}.\n"


def page(tables: Tables, machine: Mapping[str, Any]) -> str:
    """The whole page."""
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if name != "headstart")
    return f"""# Benchmark

What a researcher would write otherwise, against Headstart, on the same work. Made by `headstart bench --output
results/reference/bench` and `python -m tests.benchmarks.page` from the CSV files in `results/reference/bench/`: edit
`tests/benchmarks/page.py`, not here. `headstart bench --quick` shows in two minutes that all is well.

Machine: {machine["processor"]}, {machine["cores"]} cores, {machine["memory_gb"]} GB, load before the start
{machine["load_before"]:.1f}; fp32 GEMM at {machine["gemm_flop_s"] / 1e9:.0f} GFLOP/s on all cores; {machine["date"]},
commit {machine["git_commit"]};
{versions}.
The whole took {machine["minutes"]:.0f} minutes; every measurement is in `measurements.jsonl`.

![Users per second, gain by lanes, cost-only seconds](../results/reference/bench/{PICTURE})

## Four ways to fine-tune the same users

- **(a)** the FlowerTune pattern on Flower: one SuperNode a client; every message loads the user's texts, tokenizer and
  base LLM, wraps it with PEFT, builds a Hugging Face `Trainer` and trains. As many clients at once as cores, one thread
  each. No logging, no checkpoints (`tests/benchmarks/flowertune.py`).
- **(b)** one resident base LLM and a loop over PEFT adapters in one process; texts tokenised beforehand, held-out texts
  evaluated in one batch; with torch's own number of threads and with one, of which the faster counts.
- **(c)** Headstart with one lane, **(d)** Headstart as shipped; both are whole runs on Flower, metered and recorded.

The same users of the persona corpus, texts, batch orders, steps, AdamW, clipping and evaluations for all. All LLMs
are Llamas, the two large ones with random weights. Loss gap: the largest difference of a user's final held-out loss
from that of (b) with one thread; more than 1e-3 fails the benchmark. Seconds run from the first message or job to the
last reply or record; imports, Ray's start and a warm-up (one step of some clients in (a), a whole run in (c) and (d))
come before. (d) has as many cohorts as cores, so that none idles. Share of the GEMM rate: FLOPs that the work needs by
the formulas of `devices`, without padding, over seconds and measured rate. Peak MB: all processes of a contestant with
Ray's, shared pages once. Early ends (patience, targets), which are on by default in Headstart and save more, are off.

{race_tables(tables, machine)}
Why the gain falls with the size of the LLM: a small one spends its time on everything but products (loading, padding,
logits of prompts, the overhead of small operations), which Headstart avoids. In a large one products take nearly all of
it, and those cost everybody the same. What could still be gained is what the share of the GEMM rate lacks to 100 %.

## Lanes

Training steps alone, one process, one thread:

{lanes_table(tables, machine)}
## Cost only

`training.cost_only = true`: users are drawn, choose, and are priced and recorded, but nobody trains. Strategies scratch
and random, so two rows a user. Seconds without loading:

{cost_only_table(tables)}"""


def draw(folder: Path, tables: Tables, machine: Mapping[str, Any]) -> Path:
    """The picture beside the tables."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    bars, lines, costs = figure.subplots(1, 3)
    race, lanes, cost_only = tables["race"], tables["lanes"], tables["cost_only"]
    llms = list(race.llm.unique())
    greys = ("#bbbbbb", "#888888", "#555555", "#7fb3d5", "#0072b2")
    for i, (contestant, colour) in enumerate(zip(NAMES, greys, strict=True)):
        some = race[race.contestant == contestant].set_index("llm").loc[llms]
        at = np.arange(len(llms)) + 0.16 * (i - 2)
        bars.bar(at, some.users_per_s, 0.15, color=colour, label=NAMES[contestant])
    bars.set(yscale="log", ylabel="users per second", title="Equal work, equal losses")
    bars.set_xticks(range(len(llms)), [_size(machine, llm) for llm in llms])
    bars.set_ylim(top=12 * race.users_per_s.max())  # room for the legend
    bars.legend(fontsize=7, frameon=False, loc="upper left")
    for llm, style in zip(lanes.llm.unique(), ("o-", "s--", "^:"), strict=False):
        some = lanes[lanes.llm == llm].sort_values("lanes")
        gain = some.s_per_user_step[some.lanes == 1].item() / some.s_per_user_step
        lines.plot(some.lanes, gain, style, color="#333333", ms=4, label=_size(machine, llm))
    lines.axhline(1, color="#999999", lw=0.8)
    lines.set_xscale("log", base=2)
    lines.set(xlabel="lanes in a batch", ylabel="speed, one lane = 1", title="Training steps alone, one thread")
    lines.legend(fontsize=8, frameon=False)
    for backend, style in zip(cost_only.backend.unique(), ("o-", "s--"), strict=False):
        some = cost_only[cost_only.backend == backend]
        costs.plot(some.users, some.seconds, style, color="#333333", ms=4, label=backend)
    costs.plot(some.users, some.users / 1000, ":", color="#999999", label="1,000 users/s")
    costs.set(xscale="log", yscale="log", xlabel="users", ylabel="seconds", title="Cost only: nobody trains")
    costs.legend(fontsize=8, frameon=False)
    figure.savefig(folder / PICTURE, dpi=130)
    return folder / PICTURE


def main() -> None:
    PAGE.write_text(page(*load()), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
