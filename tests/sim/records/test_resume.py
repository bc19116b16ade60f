"""A run that was cut off anywhere goes on and ends with the files of an undisturbed one."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.display import Log
from sim.engine import start
from sim.experiment.config import Config
from sim.records.folder import is_finished, make_folder, reopen_folder
from sim.records.journal import NAME, RECORDED, Journal, progress
from tests.runs import Command, same_tables, tiny_overrides

JOBS = 2 * (3 + 3)


def resume(folder: Path) -> None:
    start(prepare(reopen_folder(folder)), folder, Log())


def test_journal_names_every_job(whole: Path) -> None:
    identity, complete = progress(whole)
    assert identity is not None
    assert (identity["jobs"], complete) == (JOBS, JOBS)
    assert is_finished(whole)


@pytest.mark.parametrize("seed", range(4))
def test_tables_cut_anywhere(copy: Path, whole: Path, seed: int) -> None:
    rng = random.Random(seed)
    tables = [t for t in RECORDED if (copy / f"{t}.csv").is_file()]
    for table in rng.sample(tables, rng.randint(1, 3)):
        path = copy / f"{table}.csv"
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    assert not is_finished(copy)
    resume(copy)
    assert is_finished(copy)
    same_tables(copy, whole)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_journal_cut_anywhere_and_rows_beyond_it(copy: Path, whole: Path, share: float) -> None:
    journal = (copy / NAME).read_bytes()
    (copy / NAME).write_bytes(journal[: int(share * len(journal))])
    with (copy / "users.csv").open("a") as file:
        file.write("3,oracle,1.0,torn")
    resume(copy)
    same_tables(copy, whole)
    assert (copy / NAME).read_bytes().count(b"\n") == JOBS + 1


def test_only_the_missing_jobs_are_sent(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (copy / NAME).read_bytes().splitlines(keepends=True)
    (copy / NAME).write_bytes(b"".join(lines[:-3]))
    done: list[int] = []
    monkeypatch.setattr(Log, "finished", lambda self, job, rows: done.append(job.index))
    resume(copy)
    assert done == [JOBS - 3, JOBS - 2, JOBS - 1]


def test_runs_without_recorded_scratch_resume_too(tiny_llm: Path, tmp_path: Path) -> None:
    """The reference leaves no rows then; the journal knows the targets and the scale."""
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path), "strategies=random", "ladder.users=0"])
    folder = make_folder(config, "run")
    start(prepare(config), folder, Log())
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    (folder / NAME).write_bytes(b"".join((folder / NAME).read_bytes().splitlines(keepends=True)[:-2]))
    resume(folder)
    same_tables(folder, whole)


def test_a_run_in_work_is_left_alone(copy: Path) -> None:
    with Journal(copy), pytest.raises(UserError, match="another process"):
        Journal(copy)


def test_command_resumes_and_then_has_nothing_to_do(copy: Path, whole: Path, command: Command) -> None:
    (copy / "curves.csv").write_text("")
    status, out, _ = command("run", "--resume", str(copy), "--no-plots", "engine.workers=1")
    assert (status, out.splitlines()[-1]) == (0, str(copy))
    same_tables(copy, whole)
    before = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    status, out, _ = command("run", "--resume", str(copy))
    assert (status, out.splitlines()) == (0, ["this run is finished: nothing to do", str(copy)])
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_a_failed_run_resumes(tiny_llm: Path, tmp_path: Path, whole: Path, command: Command) -> None:
    status, out, err = command("run", *tiny_overrides(tiny_llm, tmp_path), "engine.deadline_s=1e-9")
    folder = Path(out.splitlines()[-1])
    assert (status, is_finished(folder)) == (1, False)
    assert "the run failed" in err
    status, _, _ = command("run", "--resume", str(folder), "engine.deadline_s=600", "--no-plots")
    assert status == 0
    same_tables(folder, whole)


def test_another_config_is_refused(copy: Path, command: Command) -> None:
    for change in (["seed=1"], ["configs/quickstart.toml"]):
        status, _, err = command("run", "--resume", str(copy), *change)
        assert status == 2
        assert "the config differs from the one this run began with" in err
        assert err.count("\n") == 1
    (copy / "config.toml").write_text((copy / "config.toml").read_text().replace("seed = 0", "seed = 5"))
    with pytest.raises(UserError, match="the config differs"):
        reopen_folder(copy)


def test_a_pool_that_changed_is_refused(copy: Path) -> None:
    text = (copy / NAME).read_text()
    pool = progress(copy)[0]["pool"]  # type: ignore[index]
    (copy / NAME).write_text("".join(text.replace(pool, "0" * 16).splitlines(keepends=True)[:-2]))
    with pytest.raises(UserError, match="cannot go on, its pool was 0000"):
        resume(copy)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, command: Command) -> None:
    status, _, err = command("run", "--resume", str(tmp_path))
    assert status == 2
    assert "no run to resume" in err
