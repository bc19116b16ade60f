"""Distances between the levels of a style, and what the report makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.analysis.run.latent import latent_levels, latent_space
from sim.analysis.run.report import report
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import owned, user_row, write_run

EXPERTISE = ("elementary", "middle", "undergraduate", "expert")


def made(folder: Path, places: dict[str, list[float]], **config: Any) -> Path:
    """A run whose pLLMs of a style lie at places along one word; the other words are alike."""
    pool, words = [], []
    for style, xs in places.items():
        for i, x in enumerate(xs):
            name = f"{style}.{i + 1}" if i else style
            pool.append(
                {"pllm": name, "style": style, "similarity": 0.8, "texts": 4, "steps": 4, "loss": 1.0, "bytes": 1}
            )
            for word, z in (("technical", x), ("warm", 3.0)):
                words.append(owned(name) | {"strategy": "xpert", "word": word, "strength": 0.0, "coordinate": z})
    users = [user_row(0, s) for s in ("scratch", "xpert")]
    return write_run(folder, Config.of(config), users=users, pool=pool, words=words)


def levels(*places: float) -> dict[str, list[float]]:
    return {f"expertise-{name}": [x] for name, x in zip(EXPERTISE, places, strict=False)}


def test_levels_in_a_row(tmp_path: Path) -> None:
    (found,) = latent_space(load_run(made(tmp_path, levels(0.0, 1.0, 3.0, 4.0))))
    assert (found.axis, found.levels, found.pllms) == ("expertise", EXPERTISE, 4)
    assert found.normalised.tolist() == [
        [0.0, 0.25, 0.75, 1.0],
        [0.25, 0.0, 0.5, 0.75],
        [0.75, 0.5, 0.0, 0.25],
        [1.0, 0.75, 0.25, 0.0],
    ]
    assert found.spearman == pytest.approx(0.97, abs=0.03)


def test_levels_in_disorder_do_not_correlate(tmp_path: Path) -> None:
    (found,) = latent_space(load_run(made(tmp_path, levels(0.0, 4.0, 1.0, 0.5))))
    assert found.spearman < 0.3


def test_several_pllms_a_level_are_averaged_and_the_diagonal_is_between_them(tmp_path: Path) -> None:
    places = {"formality-slang": [0.0, 2.0], "formality-polite": [5.0], "formality-corporate": [9.0]}
    (found,) = latent_space(load_run(made(tmp_path, places)))
    assert found.levels == ("slang", "polite", "corporate")
    np.testing.assert_allclose(found.matrix, [[2, 4, 8], [4, 0, 4], [8, 4, 0]])


@pytest.mark.parametrize(
    "places", [levels(0.0, 1.0), {"expert-concise-poetic": [1.0], "expert-concise-sassy": [2.0]}, {}], ids=len
)
def test_a_pool_without_levels_has_no_matrix(places: dict[str, list[float]], tmp_path: Path) -> None:
    run = load_run(made(tmp_path, places))
    assert latent_space(run) == []
    assert latent_levels(run) is None
    assert "The space of explanations" not in report(tmp_path).read_text()


def test_report_shows_the_matrix(tmp_path: Path) -> None:
    made(tmp_path, levels(0.0, 1.0, 3.0, 4.0) | {"formality-slang": [1.0]})
    assert ">The space of explanations</h2>" in report(tmp_path).read_text()
