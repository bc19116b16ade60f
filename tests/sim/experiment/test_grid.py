"""The grid of a sweep: which runs it consists of, and where each lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.grid import Point, grid, split_values

ROOT = Path(__file__).resolve().parents[3]
PLAIN = ROOT / "configs" / "strategies.toml"


def values(points: list[Point]) -> list[Mapping[str, str]]:
    return [dict(p.values) for p in points]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2, 3", ["1", "2", "3"]),
        ("1", ["1"]),
        ("", [""]),
        ('["a","b"];["c"]', ['["a","b"]', '["c"]']),
        ('["a","b"],["c"]', ['["a","b"]', '["c"]']),
        ('["a","b"]', ['["a","b"]']),
        ('"x,y",z', ['"x,y"', "z"]),
        ("oneplus-12,apple-iphone-13;market", ["oneplus-12,apple-iphone-13", "market"]),
    ],
)
def test_values_are_split_outside_of_brackets_and_quotes(text: str, parts: list[str]) -> None:
    assert split_values(text) == parts


def test_grid_of_the_command_line_varies_the_last_key_fastest() -> None:
    points = grid(PLAIN, ["pool.size=14,28", 'strategies=["scratch","xpert"];["scratch"]', "population.users=3"])
    assert values(points) == [
        {"pool.size": size, "strategies": strategies}
        for size in ("14", "28")
        for strategies in ('["scratch", "xpert"]', '["scratch"]')
    ]
    assert {p.config.population.users for p in points} == {3}
    assert [p.config.pool.size for p in points] == [14, 14, 28, 28]
    assert points[0].config.strategies == ["scratch", "xpert"]
    assert len({p.folder for p in points}) == 4


def test_grid_of_a_file_and_how_the_command_line_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        '[sweep]\n"pool.size" = [14, 28]\nseed = [0, 1]\n[sweep.options.xpert]\nmetric = ["l2", "cosine"]\n'
    )
    assert len(grid(path, [])) == 8
    points = grid(path, ["pool.size=7", "seed=5,6,7", "options.xpert.metric=l2"])
    assert values(points) == [{"seed": "5"}, {"seed": "6"}, {"seed": "7"}]
    assert points[0].config.pool.size == 7
    assert points[0].config.options == {"xpert": {"metric": "l2"}}


def test_folder_depends_on_all_that_changes_records_and_on_nothing_else() -> None:
    (plain,) = {p.folder.name for p in grid(PLAIN, ["seed=1,2"])[:1]}
    same = grid(PLAIN, ["seed=1,2", "engine.workers=3", "engine.backend=inline", "name=x", "output=/tmp/x"])[0]
    other = grid(PLAIN, ["seed=1,2", "engine.cohort=3"])[0]
    assert same.folder == Path("/tmp/x/x") / plain
    assert other.folder.name != plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to sweep"),
        (["pool.size=14"], "nothing to sweep"),
        (["pool.sise=1,2"], "Did you mean 'size'"),
        (["pool.size=1,many"], "pool.size = 'many'"),
        (["name=a,b"], "name cannot be swept"),
        (["engine.workers=1,2"], "engine.workers=1 and engine.workers=2 are the same run"),
        (["seed=1,1"], "same run"),
        (["seed"], "expected key=value"),
        (["replicates=2,3"], "replicates cannot be swept"),
        (["replicates=0"], "replicates = 0"),
        (["replicates=2", "seed=0,1"], "seed is swept, which replicates = 2 does too"),
        (["replicates=2", "pool.seed=0,1"], "pool.seed is swept"),
        (["replicates=2", f"seed={2**63 - 1}"], "seed = 9223372036854775808"),
        (["replicates=1000", "pool.size=" + ",".join(map(str, range(11)))], "11,000 runs"),
    ],
)
def test_bad_grids_are_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        grid(PLAIN, arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sweep = 3\n", "a table"),
        ("[sweep]\nseed = 3\n", "seed = 3"),
        ("[sweep]\nseed = []\n", "no values"),
        ("a =", "s.toml: Invalid value"),
    ],
)
def test_bad_tables_are_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        grid(path, [])


def test_replicates_are_runs_with_seeds_of_their_own() -> None:
    points = grid(PLAIN, ["replicates=3", "seed=9000", "pool.seed=9100", "pool.texts=peers,rich"])
    assert values(points) == [
        {"pool.texts": texts, "seed": str(9000 + r), "pool.seed": str(9100 + r)}
        for texts in ("peers", "rich")
        for r in range(3)
    ]
    for point in points:
        assert (point.config.seed, point.config.pool.seed) == tuple(int(point.values[k]) for k in ("seed", "pool.seed"))
        assert point.config.replicates == 1
    alone = grid(PLAIN, ["replicates=2", "seed=9000"])
    assert values(alone) == [{"seed": "9000", "pool.seed": "0"}, {"seed": "9001", "pool.seed": "1"}]
    assert alone[1].config.digest() == Config.load(PLAIN, ["seed=9001", "pool.seed=1"]).digest()


def test_replicates_are_no_single_run() -> None:
    config = Config.load(PLAIN, ["replicates=5"])
    with pytest.raises(UserError, match=r"replicates = 5: these are 5 runs, which `headstart sweep` does") as caught:
        prepare(config)
    assert "\n" not in str(caught.value)
    assert config.digest() == Config.load(PLAIN).digest()


def test_a_sweep_takes_what_was_tuned(tmp_path: Path) -> None:
    (tmp_path / "rates.toml").write_text("[training]\nlr = 0.25\nwarm_lr = 0.125\n")
    path = tmp_path / "s.toml"
    path.write_text('tuned = "rates.toml"\nreplicates = 2\n[training]\nwarm_lr = 0.5\n')
    rates = {(p.config.training.lr, p.config.training.warm_lr) for p in grid(path, [])}
    assert rates == {(0.25, 0.5)}


def test_the_headline_has_both_regimes_and_five_replicates() -> None:
    points = grid(ROOT / "configs" / "headline.toml", [])
    assert values(points) == [
        {"pool.texts": texts, "seed": str(seed), "pool.seed": str(seed)}
        for texts in ("peers", "rich")
        for seed in range(1, 6)
    ]
    assert all(point.config.population.users >= 60 for point in points)
    assert points[0].config.options["average"] == {"compressed": True}
    prepare(points[0].config)


@pytest.mark.parametrize("name", ["selection_cost", "similarity", "mixed_styles", "pool_size"])
def test_shipped_sweeps_are_sound(name: str) -> None:
    points = grid(ROOT / "configs" / "sweeps" / f"{name}.toml", [])
    assert len(points) > 2
    try:
        for point in points:
            prepare(point.config)
    except UserError as error:
        if "unknown strategy" not in str(error):
            raise
        pytest.skip(str(error))


def test_runs_that_sweep_their_corpus_lie_side_by_side(tmp_path: Path) -> None:
    corpora = ["corpus.source=jsonl", "corpus.path=a.jsonl,b.jsonl", "pool.texts=peers"]
    points = grid(ROOT / "configs" / "quickstart.toml", [*corpora, f"output={tmp_path}"])
    assert {point.folder.parent for point in points} == {tmp_path / "a"}
