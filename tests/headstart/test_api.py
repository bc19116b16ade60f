"""`import headstart`: runs, sweeps and their records from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import headstart
import strategies
from sim.analysis.measures import SAVINGS
from sim.experiment.reading import parse_override
from tests.runs import Command, tiny_overrides

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
QUICKSTART = ROOT / "results" / "reference" / "quickstart"
RICH = ROOT / "results" / "reference" / "quickstart_rich"


def examples() -> list[str]:
    """The Python of docs/api.md."""
    return [part.partition("```")[0] for part in PAGE.split("```python\n")[1:]]


def tiny(llm: Path, output: Path, **more: object) -> dict[str, object]:
    """Keywords of a run of about a second."""
    return dict(map(parse_override, [*tiny_overrides(llm, output), "ladder.users=0"])) | more


def test_a_run_is_that_of_the_command(
    tiny_llm: Path, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    done = headstart.run(plots=False, quiet=True, **tiny(tiny_llm, tmp_path, population__users=3, seed=np.int64(9000)))
    assert capsys.readouterr().out == ""
    code, out, _ = command(
        "run", "--no-plots", *tiny_overrides(tiny_llm, tmp_path), "ladder.users=0", "population.users=3", "seed=9000"
    )
    assert code == 0
    other = headstart.load(out.splitlines()[-1])
    assert isinstance(done, headstart.Run)
    assert isinstance(other, headstart.Run)
    assert done.folder != other.folder
    assert done.config == other.config
    assert done.config is not None
    assert done.config.population.users == 3
    pd.testing.assert_frame_equal(done.users.drop(columns="wall_s"), other.users.drop(columns="wall_s"))
    pd.testing.assert_frame_equal(done.summary, other.summary)
    assert repr(done) == f"<Run {str(done.folder)!r}: 3 users, scratch, random, oracle>"


def test_a_run_goes_on_and_a_config_is_used_again(tiny_llm: Path, tmp_path: Path) -> None:
    with pytest.raises(headstart.RunFailed, match=r"deadline.*go on with: headstart.run\(resume='") as failed:
        headstart.run(plots=False, quiet=True, **tiny(tiny_llm, tmp_path, engine__deadline_s=1e-9))
    folder = str(failed.value).split("'")[-2]
    with pytest.raises(headstart.UserError, match=r"only engine.address"):
        headstart.run(resume=folder, seed=9001)
    done = headstart.run(resume=folder, quiet=True, plots=False, engine__deadline_s=600)
    assert done.folder == Path(folder)
    again = headstart.run(done.config, quiet=True, plots=False, population__users=2, engine__deadline_s=600)
    assert again.folder.parent == done.folder.parent
    drawn = ["user_id", "strategy", "style", "phone", "start_loss"]
    pd.testing.assert_frame_equal(again.users[drawn], done.users.loc[done.users["user_id"] < 2, drawn])


def test_columns_have_the_types_that_the_page_says() -> None:
    done = headstart.load(QUICKSTART)
    assert isinstance(done, headstart.Run)
    users = done.users
    assert [str(users[c].dtype) for c in ("user_id", "correct", "start_loss")] == ["Int64", "boolean", "float64"]
    assert done.words["word"].map(type).eq(str).all()
    assert {"step", "loss"} <= set(done.curves)
    assert set(done.summary["strategy"]) == set(done.strategies)


def test_savings_of_all_are_those_of_the_summary_and_groups_make_up_the_whole() -> None:
    done = headstart.load(RICH)
    assert isinstance(done, headstart.Run)
    keys = ["strategy", "metric", "rule"]
    for rule in ("restart", "as trained"):
        mine = done.savings(rule=rule).set_index(keys)
        theirs = done.summary.set_index(keys).loc[mine.index]
        for column in ("mean", "low", "high", "users"):
            np.testing.assert_allclose(mine[column].astype(float), theirs[column].astype(float), atol=1e-12)
    assert set(mine.index.get_level_values("metric")) == set(SAVINGS)
    tiers = done.savings(by="tier")
    assert list(tiers) == ["tier", *keys, "mean", "low", "high", "users"]
    whole = tiers.assign(total=tiers["mean"] * tiers["users"]).groupby(keys)[["total", "users"]].sum()
    means = done.savings().set_index(keys)["mean"]
    np.testing.assert_allclose((whole["total"] / whole["users"]).loc[means.index], means)
    with pytest.raises(headstart.UserError, match=r"'teir': .* Did you mean 'tier'"):
        done.savings(by="teir")
    with pytest.raises(headstart.UserError, match=r"'chosen': nothing that users.csv says of each user"):
        done.savings(by="chosen")
    with pytest.raises(headstart.UserError, match=r"rule 'restrat': unknown. Did you mean 'restart'"):
        done.savings(rule="restrat")


def test_an_explanation_is_data_and_where_it_is_printed_the_page(command: Command) -> None:
    done = headstart.load(QUICKSTART)
    assert isinstance(done, headstart.Run)
    found = done.explain(3)
    assert found.user_id == 3
    assert found.words[0][1] >= found.words[-1][1]
    assert str(found).startswith("User 3, strategy xpert\n===")
    with pytest.raises(headstart.UserError, match=r"user 99: not in this run"):
        done.explain(99)


def test_a_sweep_and_its_runs(tiny_llm: Path, tmp_path: Path) -> None:
    settings = tiny(tiny_llm, tmp_path, name="s", population__users=2)
    table = headstart.sweep(None, {"pool__size": [1, 2]}, quiet=True, **settings)
    assert table.runs["pool.size"].tolist() == [1, 2]
    assert len(table.rows) == 2 * 3
    first = table.run(table.runs["folder"][0])
    assert len(first.pool) == 1
    assert repr(table) == f"<Sweep {str(tmp_path / 's')!r}: 2 runs over pool.size>"
    loaded = headstart.load(table.folder)
    assert isinstance(loaded, headstart.Sweep)
    pd.testing.assert_frame_equal(loaded.rows, table.rows)
    with pytest.raises(headstart.RunFailed, match=r"1 of 2 runs failed: pool.lr=1e\+30: pool: pLLM "):
        headstart.sweep(None, {"pool.lr": [3e-3, 1e30]}, quiet=True, **settings | {"name": "t"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"population__usres": 3}, "population.usres: unknown key. Did you mean 'users'?"),
        ({"population__users": "many"}, "population.users = 'many': "),
        ({"population__users": object()}, "population.users is a object, which is no plain value"),
        ({"population__users": None}, "population.users = None: no value that a config can have"),
        ({"strategies": ["xprt"]}, "strategies: unknown strategy 'xprt'"),
        ({"resume": "nowhere"}, "nowhere"),
        ({"config": "nowhere.toml"}, "no file 'nowhere.toml'"),
        ({"config": "nowhere.toml", "resume": "nowhere"}, "config or resume, not both"),
    ],
)
def test_what_is_wrong_is_one_line(settings: dict[str, object], said: str) -> None:
    with pytest.raises(headstart.UserError) as error:
        headstart.run(quiet=True, **settings)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_values_of_a_swept_key_are_a_list() -> None:
    with pytest.raises(headstart.UserError, match=r"over: pool.texts: a list of values"):
        headstart.sweep(None, {"pool.texts": "rich"})  # type: ignore[dict-item]


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(headstart.UserError, match=r"no users.csv"):
        headstart.load(tmp_path)


def test_a_class_that_workers_cannot_import_is_refused() -> None:
    class Local(headstart.Strategy):
        pass

    with pytest.raises(headstart.UserError, match=r"Local must be at the top of a file of its own"):
        headstart.run(strategies=["scratch", Local])


def test_all_that_a_strategy_needs_is_there() -> None:
    assert set(strategies.__all__) <= set(headstart.__all__)
    assert all(getattr(headstart, name) is getattr(strategies, name) for name in strategies.__all__)


def test_importing_it_loads_no_torch_and_no_flower() -> None:
    code = "import headstart, sys; print(sorted({'torch', 'flwr', 'ray', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_examples_of_the_page(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand, but for what makes them a matter of seconds."""
    run, sweep, mine, own = examples()
    real_run, real_sweep, small = headstart.run, headstart.sweep, tiny(tiny_llm, tmp_path, population__users=4)
    small |= {"strategies": ["scratch", "random"]}
    monkeypatch.setattr(
        headstart, "run", lambda config=None, **more: real_run(config, plots=False, quiet=True, **small | more)
    )
    monkeypatch.setattr(
        headstart, "sweep", lambda config, over, **more: real_sweep(config, over, quiet=True, **small | more)
    )
    monkeypatch.chdir(ROOT)
    names = {"headstart": headstart}
    exec(run.replace("population__users=24", "population__users=4"), names)
    said = capsys.readouterr().out
    assert "User 3, strategy xpert_cards" in said
    assert "flagship" in said or "mid" in said
    exec(sweep.replace("[14, 28]", "[1, 2]"), names)
    assert "pool.texts" in capsys.readouterr().out
    (tmp_path / "first_three.py").write_text(mine)
    monkeypatch.syspath_prepend(tmp_path)
    exec(own, names)
    assert names["done"].strategies == ("scratch", "random", "first_three:FirstThree")  # type: ignore[attr-defined]
