"""How near `headstart plan` comes: five shipped configs, made small, planned and then run on this machine.

    python -m tests.benchmarks.plans [FOLDER]

Wants a machine that does nothing else, for about half an hour. Each config is planned twice and run twice, with two
seeds that no result is of: first by `--calibrate` on one cohort, which also builds the pool, then by what the first run
left. What is measured is the command from start to end. FOLDER (default results/plans) gets plans.csv, a row a config
as soon as it is known (those that are there are not done again), runs and cache of their own; results/reference/plans
also puts the table into docs/runs.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sim.common.disk import write_whole
from sim.experiment.config import Config
from sim.experiment.shipped import ROOT

CASES = {
    "quickstart.toml": (),
    "quickstart.toml pool.texts=rich": ("pool.texts=rich",),
    "latent_space.toml": (),
    "population_10k.toml population.users=512": ("population.users=512",),
    "living_pool.toml population.users=192 waves.count=4": ("population.users=192", "waves.count=4"),
}
"""What is planned and run, by what it is called: the first word is the config."""
SEEDS = (9001, 9002)
FACTOR = 1.5
"""How far off a plan may be."""
REFERENCE, PAGE = ROOT / "results" / "reference" / "plans", ROOT / "docs" / "runs.md"
BEGIN, END = "<!-- plans: python -m tests.benchmarks.plans results/reference/plans -->", "<!-- end of plans -->"
COLUMNS = {"calibrated": ("calibrated_min", "first_min"), "from_a_run": ("from_a_run_min", "second_min")}
"""Of each way to know the pace, the columns of what was planned and of what was measured."""


def main(folder: Path) -> None:
    path = folder / "plans.csv"
    rows = pd.read_csv(path).to_dict("records") if path.is_file() else []
    for name, overrides in CASES.items():
        if any(row["config"] == name for row in rows):
            continue
        print(f"{name} ...", flush=True)
        rows.append({"config": name, **measured(ROOT / "configs" / name.split()[0], overrides, folder)})
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, pd.DataFrame(rows).to_csv(index=False))
    table = pd.DataFrame(rows)
    print(markdown(table))
    if folder.resolve() == REFERENCE:
        write_whole(PAGE, with_table(PAGE.read_text(encoding="utf-8"), table))


def measured(path: Path, overrides: tuple[str, ...], folder: Path) -> dict[str, float]:
    """Minutes that were planned, and that the commands took."""
    from sim.plan import work

    work.REFERENCE = folder / "none"  # runs that are committed tell nothing: they may be of a busier machine
    own = [f"output={folder / 'runs'}", f"name={path.stem}", *overrides]
    found: dict[str, float] = {}
    for seed, (planned, done) in zip(SEEDS, COLUMNS.values(), strict=True):
        began = time.perf_counter()
        config = Config.load(path, [*own, f"seed={seed}"]).anchored(ROOT)
        minutes = work.plan(config, calibrate=True).minutes
        assert minutes is not None
        found |= {planned: minutes, f"{planned}_itself": (time.perf_counter() - began) / 60}
        began = time.perf_counter()
        command = [sys.executable, "-m", "sim.cli", "run", "--quiet", str(path), *own, f"seed={seed}"]
        subprocess.run(command, cwd=ROOT, check=True)
        found[done] = (time.perf_counter() - began) / 60
    return found


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Planned over measured, a column for each way."""
    return pd.DataFrame({way: table[planned] / table[done] for way, (planned, done) in COLUMNS.items()})


def markdown(table: pd.DataFrame) -> str:
    """The table, and in how many cases a plan was within the factor."""
    return "\n".join(_lines(table, ratios(table)))


def _lines(table: pd.DataFrame, ratio: pd.DataFrame) -> Iterator[str]:
    yield "| config | calibrated, min | took, min | ratio | from a run, min | took, min | ratio |"
    yield "|---|---|---|---|---|---|---|"
    for at, row in table.iterrows():
        cells = [f"`{row['config']}`"]
        for way, (planned, done) in COLUMNS.items():
            cells += [f"{row[planned]:.1f}", f"{row[done]:.1f}", f"{ratio.loc[at, way]:.2f}"]
        yield f"| {' | '.join(cells)} |"
    within = ratio.apply(lambda column: column.between(1 / FACTOR, FACTOR)).sum()
    yield ""
    yield (
        f"Within a factor of {FACTOR:g}: {within['calibrated']} of {len(table)} that one cohort told, "
        f"{within['from_a_run']} of {len(table)} that a run with another seed told."
    )


def with_table(page: str, table: pd.DataFrame) -> str:
    """A page with the table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(table)}\n\n{END}{after}"


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "results/plans")
    os.environ["HEADSTART_CACHE"] = str(place.resolve() / "cache")
    main(place)
