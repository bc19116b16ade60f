"""Whatever a file of phones holds, its phones can work or it is refused in one line that names the file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import Device, read_phones
from devices.phone_files import CSV
from tests.odd import accepted, spoilt, texts

pytestmark = pytest.mark.fuzz

with CSV.open(newline="", encoding="utf-8") as _file:
    COLUMNS, *ROWS = list(csv.reader(_file))
PLACES = {column: at for at, column in enumerate(COLUMNS)}
CELLS = st.sampled_from(
    """8 8.5 -1 nan inf 1e999 8,5 1_000 8192 0.001 4*2.8*8 99999999*1*1 1.1.1*1*1 4x2GHz GHz 2024 24 mid ufs_4 4/8
    market / \u0661""".split()
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phones") / "mine.csv"


@st.composite
def sheets(draw: st.DrawFn) -> str:
    """Some rows of the catalogue, of some of its columns, with some cells changed, separated by this or that."""
    columns = draw(st.lists(st.sampled_from(COLUMNS), max_size=5))
    columns = draw(st.permutations(["phone_id", "release_year", "tier", *columns]))
    rows = [[row[PLACES[c]] for c in columns] for row in draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=3))]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.sampled_from([columns, *rows]))
        row[draw(st.integers(0, len(row) - 1))] = draw(CELLS | texts)
    if draw(st.booleans()):
        rows[-1] = rows[-1][: draw(st.integers(0, len(columns)))]
    out = io.StringIO()
    csv.writer(out, delimiter=draw(st.sampled_from([",", ",", ",", ";", "\t"]))).writerows([columns, *rows])
    return draw(st.sampled_from(["", "", "\ufeff", "\n"])) + out.getvalue()


@given(data=st.data())
def test_any_phones(path: Path, data: st.DataObject) -> None:
    text = data.draw(sheets())
    path.write_bytes(data.draw(spoilt(text.encode("utf-8", "surrogatepass"))))
    found = accepted(lambda: read_phones(path), ValueError, path)
    if found is not None:
        phones = list(found.values())
        assert phones
        assert (Device.of(phones, ram_gb="largest").usable_bytes > 0).all()
        assert all(0 < phone.threads_share(4) <= 1 for phone in phones)
