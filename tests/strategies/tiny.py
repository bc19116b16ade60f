"""A run of all strategies, small enough for a test."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sim.cloud.run import Run
from sim.experiment.config import Config
from sim.records.folder import make_folder
from sim.transport.nodes import InlineNodes
from tests.sim.small import Silent

XPERT = "probes = 3, candidates = 4, word_probes = 2, answer_tokens = 4"
OPTIONS = f"""options={{xpert = {{{XPERT}}}, xpert_early = {{{XPERT}}},
 xpert_merge = {{{XPERT}}},
 popular = {{probes = 2, answer_tokens = 4}}, retrieval = {{probes = 2, answer_tokens = 4}},
 lorahub = {{pllms = 2, trials = 4}}}}""".replace("\n", "")


def tiny_config(llm: Path, output: Path, *overrides: str) -> Config:
    """Three users, a pool of three; the shipped summarizer, which knows words."""
    return Config.load(
        None,
        [
            "name=tiny",
            f"output={output}",
            f"llm.model={llm}",
            "pool.size=3",
            "pool.texts=8",
            "pool.steps=2",
            "population.users=3",
            "population.texts=6",
            "population.held_out=2",
            "population.phones=oneplus-12",
            "training.steps=4",
            "training.evaluate_every=2",
            "training.max_tokens=48",
            "engine.backend=inline",
            "ladder.users=0",
            OPTIONS,
            *overrides,
        ],
    )


def run(config: Config, name: str = "run") -> dict[str, pd.DataFrame]:
    """Do a run; its tables."""
    folder = make_folder(config, name)
    Run(config, folder, Silent()).serve(InlineNodes())
    return {f.stem: pd.read_csv(f, keep_default_na=False) for f in folder.glob("*.csv")}
