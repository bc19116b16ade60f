"""Measurements of a user's own are predicted as the built-in ones are; what cannot be is refused or counted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from devices import Device, Lora, llm
from devices.constants import calibrated
from devices.measurements import CSV, predict, read_measurements
from devices.own_measurements import summary, validate_own
from tests.runs import Command

GOOD = {"operation": "train", "phone_id": "oneplus-12r", "llm": "llama-3.2-1b", "tokens": "98", "published": "60"}


def write(path: Path, *rows: dict[str, str]) -> Path:
    """A CSV of rows, with the columns of the first."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_built_in_measurements_are_what_they_are_there() -> None:
    own = validate_own(CSV)
    assert not own.left_out
    assert own.rows.fitted.all()
    np.testing.assert_array_equal(own.rows.predicted, predict(read_measurements(), calibrated()))


def test_a_measured_step_is_predicted_with_what_is_stated_and_else_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", GOOD, GOOD | {"phone_id": "OnePlus 12R"})
    rows = validate_own(path).rows
    device, shape = Device.of("oneplus-12r", ram_gb=1000), llm("llama-3.2-1b")
    wanted = device.train(shape, 1, 98, adapter=Lora(8, "all-linear")).seconds
    assert rows.predicted.tolist() == pytest.approx([wanted, wanted])
    assert rows.ratio.tolist() == pytest.approx([wanted / 60] * 2)
    assert not rows.fitted.any()
    (line,) = summary(rows).to_dict("records")
    assert (line["rows"], line["phones"]) == (2, 1)
    assert line["median_error"] == pytest.approx(abs(wanted / 60 - 1))


def test_what_the_model_has_no_figure_for_is_counted_by_reason(tmp_path: Path) -> None:
    odd = [{"phone_id": ""}, {"phone_id": "fairphone-99"}, {"backend": "npu"}, {"backend": "gpu_mlx"}, {"llm": "x"}]
    own = validate_own(write(tmp_path / "mine.csv", GOOD | {"backend": ""}, *(GOOD | one for one in odd)))
    assert len(own.rows) == 1
    assert list(own.left_out.values()) == [1] * 5
    assert "1 of the file's rows left out: backend 'npu' is not modelled." in own.sentences()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"operation": "trian"}, "unknown operation 'trian'"),
        ({"published": "fast"}, "published 'fast': a number above 0 is expected"),
        ({"published": "nan"}, "published 'nan'"),
        ({"tokens": "0"}, "tokens '0'"),
        ({"tokens": ""}, "tokens ''"),
        ({"steps": "1.5"}, "steps '1.5': a whole number"),
        ({"unit": "ms"}, "unit 'ms': of train it is 's'"),
        ({"precision": "fp12"}, "unknown precision 'fp12'"),
        ({"runtime": "swap"}, "unknown runtime 'swap'"),
        ({"operation": "fits"}, "published '60': of fits it is 1"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(tmp_path: Path, cell: dict[str, str], said: str) -> None:
    path = write(tmp_path / "mine.csv", GOOD | {"steps": "", "unit": "", "precision": "", "runtime": ""}, GOOD | cell)
    with pytest.raises(ValueError, match=f"row 3: {said}".replace("(", r"\(")):
        validate_own(path)


def test_a_file_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", {"operation": "train", "phone_id": "oneplus-12r"})
    with pytest.raises(ValueError, match="column 'tokens' is missing"):
        validate_own(path)


def test_the_command_shows_them_with_phones_of_ones_own(tmp_path: Path, command: Command) -> None:
    phones = tmp_path / "phones.csv"
    phones.write_text("phone_id,release_year,tier\nmy-phone,2024,mid\n")
    path = write(tmp_path / "mine.csv", GOOD | {"phone_id": "my-phone"}, GOOD | {"phone_id": ""})
    status, out, _ = command("devices", "validate", "--measurements", str(path), "--phone-file", str(phones))
    assert status == 0
    assert "my-phone" in out
    assert "1 of the file's rows left out: no phone_id." in out
    status, _, error = command("devices", "validate", "--measurements", str(tmp_path / "none.csv"))
    assert status != 0
    assert "--measurements" in error
    assert "no such file" in error
    status, _, error = command("devices", "validate", "--phone-file", str(phones))
    assert status != 0
    assert "--phone-file goes with --measurements" in error
