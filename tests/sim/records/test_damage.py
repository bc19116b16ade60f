"""Records that are not what was written are named and kept, and the run ends as it would have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.display import Log
from sim.engine import start
from sim.records.folder import CONFIG, is_finished, reopen_folder
from sim.records.journal import NAME, Journal, progress
from tests.runs import same_tables

JOBS = 2 * (3 + 3)


def edit(path: Path, at: float) -> None:
    """Another digit in the line that lies at a share of a file."""
    lines = path.read_bytes().splitlines(keepends=True)
    line = lines[int(at * len(lines))]
    digit = next(letter for letter in b"123456789" if letter in line)
    lines[int(at * len(lines))] = line.replace(bytes([digit]), b"2" if digit == ord("1") else b"1", 1)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("name", "at", "said"),
    [
        ("users.csv", 0.5, "users.csv is not what was written before line"),
        ("curves.csv", 0.9, "curves.csv is not what was written before line"),
        ("pool.csv", 0.5, "pool.csv is not what was written before line 1 of"),
        (NAME, 0.5, "line 7 of progress.jsonl is not what was written"),
    ],
)
def test_edited_records_are_named_kept_and_done_again(
    name: str, at: float, said: str, copy: Path, whole: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(copy / name, at)
    edited = (copy / name).read_bytes()
    assert not is_finished(copy)
    start(prepare(reopen_folder(copy)), copy, Log())
    assert is_finished(copy)
    same_tables(copy, whole)
    assert (copy / "damaged-1" / name).read_bytes() == edited
    (message,) = caplog.messages
    assert all(part in message for part in (str(copy), said, "damaged-1"))


def test_tables_that_are_shorter_than_the_journal_says_are_named(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = (copy / "users.csv").read_bytes()
    (copy / "users.csv").write_bytes(text[: len(text) // 2])
    complete = progress(copy)[1]
    with Journal(copy) as journal:
        assert 0 < journal.complete == complete < JOBS
    assert f"users.csv is shorter than line {complete + 2} of {NAME} says" in caplog.messages[0]
    assert progress(copy)[1] == complete


def test_rows_without_a_journal_are_kept(copy: Path, whole: Path, caplog: pytest.LogCaptureFixture) -> None:
    (copy / NAME).write_bytes(b"")
    with Journal(copy) as journal:
        assert (journal.identity, journal.complete) == (None, 0)
    assert not (copy / "users.csv").exists()
    assert (copy / "damaged-1" / "users.csv").read_bytes() == (whole / "users.csv").read_bytes()
    assert "users.csv has rows that no line of progress.jsonl is about" in caplog.messages[0]


@pytest.mark.parametrize("digest", [None, 3, ["x"]])
def test_a_digest_that_is_no_text_is_broken(tmp_path: Path, digest: object) -> None:
    first = {"note": {}, "sizes": {}, "digests": {}, "digest": digest}
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in (first, {**first, "digest": "y"})))
    with Journal(tmp_path) as journal:
        assert (journal.identity, journal.complete) == (None, 0)


def test_a_torn_line_is_what_a_killed_run_leaves_and_is_not_worth_a_word(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / NAME).write_bytes((copy / NAME).read_bytes()[:-9])
    with Journal(copy) as journal:
        assert journal.complete == JOBS - 1
    assert caplog.messages == []
    assert not (copy / "damaged-1").exists()


def test_the_journal_of_another_run_is_refused_and_nothing_is_touched(copy: Path, whole: Path) -> None:
    head, *jobs = (copy / NAME).read_text().splitlines(keepends=True)
    other = json.loads(head)
    other["note"]["config"] = "0" * 16
    (copy / NAME).write_text(json.dumps(other) + "\n" + "".join(jobs))
    with pytest.raises(UserError, match="the config differs from the one this run began with"):
        reopen_folder(copy)
    assert (copy / "users.csv").read_bytes() == (whole / "users.csv").read_bytes()


def test_a_journal_of_the_first_version_counts_by_sizes(copy: Path) -> None:
    lines = [json.loads(line) for line in (copy / NAME).read_text().splitlines()]
    (copy / NAME).write_text("".join(json.dumps({k: line[k] for k in ("note", "sizes")}) + "\n" for line in lines))
    assert is_finished(copy)
    (copy / "users.csv").write_text("")
    assert progress(copy)[1] == 0


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.6, 0.97])
def test_a_config_that_was_cut_off_is_refused(copy: Path, share: float) -> None:
    text = (copy / CONFIG).read_text()
    (copy / CONFIG).write_text(text[: text.rindex("\n", 0, int(share * len(text)) + 1) + 1] if share else "")
    with pytest.raises(UserError, match=rf"^config: {copy / CONFIG}: "):
        reopen_folder(copy)
    assert (copy / "users.csv").is_file()


def test_a_config_of_the_first_version_is_whole(copy: Path) -> None:
    text = (copy / CONFIG).read_text()
    (copy / CONFIG).write_text(text.replace('adapter = "lora"\n', ""))
    assert reopen_folder(copy).training.adapter == "lora"
