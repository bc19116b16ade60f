"""`headstart devices` says what the library knows, and what is wrong in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from sim.errors import UserError


def headstart(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["devices", *arguments])


def test_list_and_its_picture(tmp_path: Path) -> None:
    result = headstart("list", "--tier", "entry", "--plot", str(tmp_path / "costs.png"))
    assert result.exit_code == 0, result.exception
    assert "oneplus-12r" not in result.output
    assert "oneplus-12r" in headstart("list").output
    assert (tmp_path / "costs.png").stat().st_size > 5000
    assert result.output.splitlines()[-1] == str(tmp_path / "costs.png")


def test_show_and_compare() -> None:
    shown = headstart("show", "OnePlus 12R").output
    assert "Snapdragon" in shown
    assert "llama-3.2-1b" in shown
    assert "Sources:" in shown
    beside = headstart("compare", "oneplus-12r", "google-pixel-7").output
    assert "Google Pixel 7" in beside
    assert "minutes, llama-3.2-1b" in beside


def test_validate_prints_every_measurement() -> None:
    from devices.validate import validate

    output = headstart("validate").output
    assert "held_out" in output
    assert "XPerT's published costs" in output
    assert len(output.splitlines()) > len(validate())


def test_calibrate_writes_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert headstart("calibrate", "--output", str(path)).exit_code == 0
    assert "prefill.cpu_tuned" in json.loads(path.read_text())["constants"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "oneplus-99"], "unknown phone 'oneplus-99'; nearest: oneplus-"),
        (["compare", "oneplus-12r", "nokia"], "unknown phone 'nokia'"),
        (["compare", "oneplus-12r"], "two phones or more"),
        (["list", "--tier", "cheap"], "--tier 'cheap': allowed are entry"),
        (["list", "--plot", "costs.bmp"], "must end in .png"),
        (["calibrate", "--output", "/no/such/folder/c.json"], "cannot write '/no/such/folder/c.json'"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    error = headstart(*arguments).exception
    assert isinstance(error, UserError)
    assert said in str(error)
    assert "\n" not in str(error)
