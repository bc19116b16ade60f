"""`headstart devices` says what the library knows, and what is wrong in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from sim.common.errors import UserError


def headstart(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["devices", *arguments])


def test_list_and_its_picture(tmp_path: Path) -> None:
    result = headstart("list", "--tier", "entry", "--plot", str(tmp_path / "costs.png"))
    assert result.exit_code == 0, result.exception
    assert "oneplus-12r" not in result.output
    assert "oneplus-12r" in headstart("list").output
    assert (tmp_path / "costs.png").stat().st_size > 5000
    assert result.output.splitlines()[-1] == str(tmp_path / "costs.png")


def test_list_of_llms() -> None:
    shown = headstart("list", "--llms").output.splitlines()
    names = [line.split()[0] for line in shown if line.split()]
    assert names.index("smollm2-135m") < names.index("llama-3.2-1b") < names.index("llama-2-13b")


def test_show_and_compare() -> None:
    shown = headstart("show", "OnePlus 12R").output
    assert "Snapdragon" in shown
    assert "llama-3.2-1b" in shown
    assert "Sources:" in shown
    beside = headstart("compare", "oneplus-12r", "google-pixel-7").output
    assert "Google Pixel 7" in beside
    assert "minutes, llama-3.2-1b" in beside


def test_cost_of_any_work() -> None:
    asked = ["--llm", "Qwen/Qwen2.5-1.5B-Instruct", "--precision", "int4", "--prompt", "512", "--answer", "128"]
    shown = headstart("cost", "Galaxy S23", *asked, "--threads", "4", "--network", "122/60", "--down-mb", "25").output
    assert "Samsung Galaxy S23, qwen2.5-1.5b (1.54 billion weights in int4)" in shown
    for word in ("download", "prefill", "decode", "total", "tokens/s", "J/token", "5-95 %"):
        assert word in shown
    assert "train" not in shown
    steps = headstart("cost", "OnePlus 12R", "--ram", "16").output  # 1000 steps of 98 tokens
    assert " 6.9e+03 " in steps
    needs = "train needs {} GB (runtime {}), an app may use 0.50 GB on this phone"
    assert needs.format(2.77, "resident") in headstart("cost", "galaxy a21s").output
    assert needs.format(0.75, "mebp") in headstart("cost", "galaxy a21s", "--runtime", "mebp").output
    streamed = headstart("cost", "Pixel 8", "--llm", "llama-3.1-8b", "--prompt", "300").output
    assert "streamed from flash" in streamed


def test_cost_on_a_phone_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("phone_id,release_year,tier,ram_gb\nmy-phone,2024,flagship,24\n")
    own = headstart("cost", "my-phone", "--phone-file", str(tmp_path / "mine.csv"), "--rank", "0", "--llm", "gpt2")
    assert own.exit_code == 0, own.exception
    assert "fits" in own.output


@pytest.mark.parametrize("command", ["list", "show", "compare", "cost", "memory", "validate", "calibrate"])
def test_help_has_examples(command: str) -> None:
    shown = headstart(command, "--help").output
    assert "Examples" in shown
    assert f"headstart devices {command}" in shown


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
        (["show", "nokia"], "unknown phone 'nokia' (97 known)"),
        (["cost", "s23", "--llm", "lama-3.2-1b"], "unknown LLM 'lama-3.2-1b'; nearest: llama-3.2-1b"),
        (["cost", "s23", "--backend", "npu"], "unknown backend 'npu'; known: cpu_tuned"),
        (["cost", "s23", "--backend", "gpu_mlx"], "exists on iPhones only"),
        (["cost", "s23", "--precision", "int7"], "unknown precision 'int7'; nearest: int8, int4"),
        (["cost", "s23", "--network", "5/x"], "--network '5/x': expected wifi, 4g, 5g"),
        (["cost", "s23", "--ram", "big"], "--ram 'big': expected GB"),
        (["cost", "s23", "--targets", "foo"], "has no matrix 'foo'"),
        (["cost", "s23", "--phone-file", "/no.csv"], "--phone-file '/no.csv': no such file"),
        (["cost", "s23", "--backend", "gpu_llamacpp", "--threads", "4"], "threads must be 1 or more, on a CPU backend"),
        (["calibrate", "--output", "/no/such/folder/c.json"], "cannot write '/no/such/folder/c.json'"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    error = headstart(*arguments).exception
    assert isinstance(error, UserError)
    assert said in str(error)
    assert "\n" not in str(error)
