"""`headstart strategy check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import Command
from tests.sim.rehearsal import bad


def test_requests_are_listed_with_what_they_cost(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = command("strategy", "check", "exhaustive", "options.texts=3", "population.phones=oneplus-12")
    assert (code, err) == (0, "")
    assert [cell for cell in ("who", "asks for", "seconds", "joules", "MB down") if cell not in out] == []
    assert "Evaluate 3 texts" in out
    assert "oneplus-12" in out
    rows = [line.split() for line in out.splitlines() if line.strip().startswith("phone 0")]
    assert [row[2] for row in rows] == ["Download", "Evaluate"]
    assert rows[0][3] == "28"  # all pLLMs of the quickstart
    assert all(float(row[-4].replace(",", "")) > 0 for row in rows)
    code, out, _ = command("strategy", "check", "random", "pool.size=2", "--each")
    assert code == 0
    assert "Offer: 2 pLLMs, 0.0 kB beside them." in out


def test_a_bad_strategy_is_one_line(command: Command) -> None:
    code, out, err = command("strategy", "check", f"{bad.__name__}:Mistyped")
    assert (code, out) == (2, "")
    assert err.startswith(
        "headstart: strategies: 'tests.sim.rehearsal.bad:Mistyped': TypeError: Train: texts = 3: a list"
    )
    assert err.count("\n") == 1
    assert "bad.py:" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exhaustve"], "unknown strategy 'exhaustve'. Did you mean 'exhaustive'?"),
        (["exhaustive", "options.texs=3"], "options.exhaustive: "),
        (["exhaustive", "options.texts=-1"], "options.exhaustive: texts = -1"),
        (["exhaustive", "population.user=3"], "population.user: unknown key"),
        (["exhaustive", "--config", "nowhere.toml"], "config: no file 'nowhere.toml'"),
        (["hyperband", "training.cost_only=true"], "trains before it chooses"),
    ],
)
def test_what_cannot_be_tried_is_one_line(command: Command, arguments: list[str], said: str) -> None:
    code, _, err = command("strategy", "check", *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_settings_of_a_variant_and_those_given(command: Command, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[options.few]\nuse = "exhaustive"\ntexts = 2\n')
    assert "Evaluate 2 texts" in command("strategy", "check", "few", "--config", str(config))[1]
    assert "Evaluate 5 texts" in command("strategy", "check", "few", "options.texts=5", "--config", str(config))[1]


def test_help_has_examples(command: Command) -> None:
    code, out, _ = command("strategy", "check", "--help")
    assert code == 0
    assert "headstart strategy check" in out
    assert "strategy" in command("--help")[1]
