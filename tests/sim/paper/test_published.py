"""The file of published values: what it says can be read, compared and found."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from devices.validate import PUBLISHED_BY_XPERT
from sim.analysis.everyone import OF_MEANS
from sim.analysis.measures import COSTS, METRICS
from sim.analysis.rules import RULES
from sim.analysis.sweep.mixed import PUBLISHED as MIXED
from sim.analysis.sweep.published import ACCURACY_BY_SIMILARITY, TIME_SAVED_BY_SIMILARITY
from sim.experiment.config import Config
from sim.experiment.grid import grid
from sim.paper.records import answers
from sim.published import Paper, Series, paper
from sim.published.series import FILE

ROOT = FILE.parents[2]
ALL = [series for section in paper().section for series in section.series]


def tree() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def test_a_value_as_it_is_compared_and_how_exactly_it_is_known() -> None:
    time = paper().series("time")
    assert time.value("0.9") == pytest.approx(100 * (97.8 - 17.9) / 97.8)
    assert time.within("0.9") == pytest.approx(100 * 0.05 / 97.8)
    cost = paper().series("exhaustive-communication")
    assert [cost.is_stated(p) for p in cost.points] == [False, True, False, False]
    assert (cost.within("28"), cost.within("84")) == (0.05, 1.0)
    assert paper().series("bleu").within("0.3") == pytest.approx(0.005)
    assert paper().series("pixel-9-step").within("") == 0.5


def test_what_other_pages_take_from_it() -> None:
    assert ACCURACY_BY_SIMILARITY == {0.3: 25.0, 0.5: 53.6, 0.7: 85.7, 0.8: 96.4, 0.9: 96.4}
    assert TIME_SAVED_BY_SIMILARITY == {0.3: 5.5, 0.5: 16.4, 0.7: 42.0, 0.8: 66.4, 0.9: 81.7}
    assert MIXED["xpert_merge", 3] == 57.0


def test_devices_has_the_same_values() -> None:
    """`devices` imports nothing of the simulator, so it has its own copy."""
    theirs = {name: value for name, _, value, _ in PUBLISHED_BY_XPERT}
    ours = {
        "from scratch, time": ("phone-time", ""),
        "from scratch, energy": ("phone-energy", ""),
        "exhaustive, computation": ("exhaustive-computation", "28"),
        "exhaustive, energy": ("exhaustive-energy", "28"),
        "exhaustive, download": ("exhaustive-communication", "28"),
        "XPerT, computation": ("xpert-computation", "28"),
        "XPerT, energy": ("xpert-energy", "28"),
        "XPerT, download": ("xpert-communication", "28"),
        "Pixel 9 Pro, Qwen2-0.5B, a step": ("pixel-9-step", ""),
    }
    assert {name: float(paper().series(series).published[point]) for name, (series, point) in ours.items()} == {
        name: value for name, value in theirs.items() if name in ours
    }


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.id)
def test_keys_metrics_and_rules_exist(series: Series) -> None:
    for key in [*series.where, *([series.key] if series.key else [])]:
        Config().at(key)
    for ours in series.ours:
        assert ours.rule in RULES
        if not ours.levels:
            assert ours.metric.removesuffix(OF_MEANS) in METRICS | COSTS


@pytest.mark.parametrize("name", paper().commands)
def test_the_command_makes_every_point_of_the_series_that_it_is_for(name: str) -> None:
    """Or else a row would say "not run" for ever."""
    _, kind, path = paper().commands[name].split()
    configs = [Config.load(ROOT / path)] if kind == "run" else [p.config for p in grid(ROOT / path, [])]
    for series in (series for series in ALL if series.records == name and series.ours):
        for point in series.points if series.key else ("",):
            where = {**series.where, **({series.key: point} if series.key else {})}
            found = [config for config in configs if answers(config, where)]
            assert found, (series.id, point)
            for ours in series.ours:
                assert ours.levels or {ours.strategy, ours.against or ours.strategy} <= set(found[0].strategies)
    assert {configs[0].name.replace("-", "_")} == {name}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("section", 0, "series", 0, "published"), {"0.3": "high"}, "valid"),
        (("section", 0, "series", 0, "quantiti"), "x", "Extra inputs"),
        (("section", 0, "series", 0, "ours"), [], "either ours, or why it is missing"),
        (("section", 0, "series", 0, "ours", 0, "why"), {"0.4": "since"}, "is no point"),
        (("section", 0, "series", 0, "ours", 0, "levels"), "expertise", "either levels, or strategy"),
        (("section", 0, "series", 1, "id"), "accuracy", "two series"),
        (("section", 2, "reading"), 0, "not how exactly"),
        (("commands",), {"similarity": "headstart run"}, "are used or named only"),
    ],
)
def test_a_slip_of_the_pen_is_refused(path: tuple[Any, ...], value: object, said: str) -> None:
    made = tree()
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ValidationError, match=said):
        Paper.model_validate(made)


def test_every_value_of_the_notes_is_in_it() -> None:
    """Counted by hand: accuracy, time, energy, data, three scores; three costs of three strategies in four pools ..."""
    counts = {section.id: sum(len(series.published) for series in section.series) for section in paper().section}
    similarity, selection = 4 * 5 + 3 * 4, 3 * 3 * 4
    assert counts == {
        "similarity": similarity, "phones": 3, "selection": selection, "mixed": 2 * 3, "latent": 6, "headlines": 4,
    }  # fmt: skip
