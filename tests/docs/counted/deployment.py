"""What docs/deployment.md says of results/reference/population_10k."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docs.make.summaries import REFERENCE, read_summary
from sim.analysis.rules import ANY, RESTART
from sim.experiment.config import Config

RUN = REFERENCE / "population_10k"


def said() -> Iterator[str]:
    config = Config.of_run(RUN / "config.toml")
    manifest = json.loads((RUN / "manifest.json").read_text(encoding="utf-8"))
    users = config.population.users
    yield f"{users:,} users from scratch and with `xpert`, took {manifest['wall_s'] / 60:.0f} minutes on two cores"
    yield f"the driver held {manifest['driver_peak_mib']:.0f} MiB at most"
    assert manifest["resent"] == 2
    yield "Two cohorts were lost and sent again"

    summary = read_summary("population_10k")
    right, saved = (100 * summary.loc[("xpert", *key), ["mean", "low", "high"]] for key in (
        ("selection_accuracy", ANY), ("compute_saved_total", RESTART)))  # fmt: skip
    texts = config.options["xpert"]["texts"]
    yield (
        f"`xpert` read {texts} texts a user and chose rightly for {right['mean']:.1f} % "
        f"({right['low']:.0f} to {right['high']:.1f})"
    )
    billed = int(summary.loc[("xpert", "compute_saved_total", RESTART), "users"])
    yield (
        f"{saved['mean']:.0f} % of the compute is saved, choosing included and by the rule *restart* "
        f"({saved['low']:.0f} to {saved['high']:.0f}), over the {billed:,} users"
    )
    yield f"version {manifest['headstart']}"
