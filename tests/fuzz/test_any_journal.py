"""Any journal, and any change to one or to its tables: what is believed of it is what was written."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.records.journal import NAME, Journal, progress
from tests.odd import fill, mutated, values

pytestmark = pytest.mark.fuzz
LEARNT = {"targets": {"0": 3.25, "1": None}, "scratch_steps": {"0": 5, "1": None}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """The files of a run of three jobs, as they were written."""
    folder = tmp_path_factory.mktemp("run")
    with Journal(folder) as journal:
        (folder / "pool.csv").write_text("pllm\na\n")
        journal.append({"config": "x", "jobs": 3})
        for job in range(3):
            for table in ("users", "curves"):
                with (folder / f"{table}.csv").open("a") as file:
                    file.write(f"{table},{job},0.5\n" * (1 + job))
            journal.append(LEARNT if job == 0 else {})
    assert progress(folder) == ({"config": "x", "jobs": 3}, 3)
    logging.getLogger("headstart").disabled = True
    yield {path.name: path.read_bytes() for path in folder.iterdir()}
    logging.getLogger("headstart").disabled = False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("again") / "run"


def opened(folder: Path, files: dict[str, bytes]) -> Journal:
    """The journal of a run that left these files, opened for going on."""
    fill(folder, files)
    identity, complete = progress(folder)
    with Journal(folder) as journal:
        assert journal.complete == complete
        assert journal.identity in (identity, None)
        assert len(list(journal.notes())) == complete
    return journal


def jobs(journal: bytes) -> list[object]:
    """What a journal says of its jobs, one space more or less; the run itself compares what the first line says."""
    return [json.loads(line) for line in journal.splitlines()[1:]]


@given(st.data(), st.integers(0, 255), st.sampled_from(["change", "cut", "insert", "double"]))
def test_any_change(folder: Path, written: dict[str, bytes], data: st.DataObject, byte: int, how: str) -> None:
    """Whatever of the files changed, those that a run goes on with begin as they were written, and nothing is lost."""
    name = data.draw(st.sampled_from(sorted(written)))
    before = written[name]
    at = data.draw(st.integers(0, len(before) - 1))
    ways = {
        "change": before[:at] + bytes([byte]) + before[at + 1 :],
        "cut": before[:at],
        "insert": before[:at] + bytes([byte]) + before[at:],
        "double": before[:at] + before[at // 2 :],
    }
    changed = ways[how]
    complete = opened(folder, {**written, name: changed}).complete
    for file, content in written.items():
        there = (folder / file).read_bytes() if (folder / file).is_file() else b""
        if file == NAME:
            assert jobs(content)[: len(jobs(there))] == jobs(there)
        else:
            assert content.startswith(there)
    if complete < 3 and name != NAME:
        assert (folder / "damaged-1" / name).read_bytes() == changed


@given(st.lists(values() | mutated({"note": {}, "sizes": {"users": 6}, "digests": {"users": "x"}, "digest": "y"})))
def test_any_lines(folder: Path, lines: list[object]) -> None:
    text = "".join(json.dumps(line, default=str) + "\n" for line in lines)
    opened(folder, {NAME: text.encode(), "users.csv": b"a,b,c\n"})


@given(st.binary(max_size=100))
def test_any_bytes(folder: Path, content: bytes) -> None:
    opened(folder, {NAME: content, "users.csv": b"a,b,c\n"})
