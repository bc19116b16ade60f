"""Whatever a config's file, an override or a sweep holds: what it says, or one line that names what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.grid import grid
from sim.experiment.strategies import STRATEGIES, make_strategy
from strategies.random import Random


def refused(*overrides: str, path: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        Config.load(path, overrides)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    return line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("strategies = " + "[" * 20_000 + "]" * 20_000, "nested too deep"),
        ("options.a.b = " + "[" * 40 + "]" * 40, "options.a.b.0.0"),
        ("seed = " + "9" * 5000, "digits"),
        (f"options.a.b = {2**63}", "options.a.b = 9223372036854775808: no number of 64 bits"),
        ("seed = 1\nseed = 2", "Cannot overwrite a value"),
        ('name = "a\\u0000b"', "control character"),
        ('options.a."b\\nc" = 1', "control character"),
        ('llm.deploy = "' + "x" * 70_000 + '"', "llm.deploy"),
        ("#" + " " * (1 << 20), "more than 1 MiB"),
        ('name = "caf\xe9"'.encode("latin-1"), "utf-8"),
        ("name = 'x'".encode("utf-16"), "utf-8"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(path=path)
    assert str(path) in line
    assert said in line


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert f"{tmp_path}/pipe: not a file" in refused(path=tmp_path / "pipe")
    assert "not a file" in refused(path=tmp_path)


def test_byte_order_mark_and_windows_lines_are_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "mine"\r\n[population]\r\nusers = 5\r\n')
    assert (Config.load(path).name, Config.load(path).population.users) == ("mine", 5)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("population.users=true", "population.users = True: a truth value is no number"),
        ("training.lr=false", "training.lr = False"),
        ("name=true", "name = True"),
        ("ladder.amounts=[true, 0.5]", "ladder.amounts"),
        ("corpus.styles=[true]", "corpus.styles"),
        ("llm.model=2020-01-01", "llm.model = datetime.date(2020, 1, 1)"),
        ("population.phones=[12:00:00]", "population.phones"),
        ("seed=" + "9" * 5000, "seed"),
        ("seed=1\nname='x'", "seed = "),
        ("strategies=" + "[" * 20_000, "strategies"),
        ("options." + "a." * 20_000 + "b=1", "nested too deep"),
        ("options.random.seed.x=1\x00", "control character"),
        ("name=\udcff", "UTF-8"),
        ("name=" + "x" * 201, "name = "),
        ("llm.deploy=" + "x" * 70_000, "llm.deploy"),
        ('strategies=["", "scratch"]', "strategies"),
    ],
)
def test_an_odd_value_is_named(override: str, said: str) -> None:
    assert said in refused(override)


@pytest.mark.parametrize("value", ["~nouser/x", "x" * 300, "x/" * 1000])
def test_what_can_be_no_path_is_left_a_name_where_it_need_not_be_one(value: str, tmp_path: Path) -> None:
    config = Config.load(None, [f"llm.model={value}"]).anchored(tmp_path)
    assert config.llm.model == value


def test_a_place_of_a_user_who_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'~nouser/x' is no path"):
        Config.load(None, ["output=~nouser/x"]).anchored(tmp_path)


def test_sweeps_of_odd_values_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("")
    cases = {
        "llm.model=2020-01-01,x": "llm.model = datetime.date",
        "population.users=1,true": "population.users = True",
        "seed=" + ",".join(map(str, range(12_000))): "12,000 runs; no more than",
    }
    for argument, said in cases.items():
        with pytest.raises(UserError, match=said):
            grid(path, [argument])
    dates = grid(path, ["options.mine.at=2020-01-01,2020-01-02", "options.mine.use=random"])
    assert [p.values["options.mine.at"] for p in dates] == ['"2020-01-01"', '"2020-01-02"']


@pytest.mark.parametrize(
    "reference", [":x", "..a:b", "a b:c", "a:b:c", "a:b.c", "a:", "a/b:c", "\0:a", "x" * 5000 + ":a"]
)
def test_what_is_no_import_path_is_refused_before_it_is_imported(reference: str) -> None:
    with pytest.raises(UserError, match=r"^strategies: cannot import ") as caught:
        STRATEGIES.load(reference)
    assert len(str(caught.value)) < 400


def test_a_module_may_do_anything_while_it_is_imported_and_its_class_when_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_at_once.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "fails_at_once.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("leaves_at_once", "fails_at_once"):
        with pytest.raises(UserError, match=rf"cannot import '{module}:X' \("):
            STRATEGIES.load(f"{module}:X")
        sys.modules.pop(module, None)
    with pytest.raises(UserError, match=r"^options\.mine: no such luck\.$"):
        make_strategy("mine", Config.load(None, [f"options.mine.use={__name__}:Unlucky"]))
    with pytest.raises(UserError, match=r"^options\.mine\.use = 5: "):
        make_strategy("mine", Config.load(None, ["options.mine.use=5"]))


class Unlucky(Random):
    """Raises what nobody thinks of."""

    def __init__(self) -> None:
        raise AssertionError("no such\nluck")


@pytest.mark.parametrize(
    "text",
    [
        f"{'x' * 5000} = 9223372036854775808",
        f"[options.mine]\nuse = 'xpert'\n{'x' * 5000} = 9223372036854775808",
        f"strategies = ['\\u007f{'x' * 5000}']",
        f"[sweep]\n'llm.model' = ['{'x' * 5000}', '{'x' * 5000}']",
        f"[sweep]\n'{'x' * 5000}' = []",
        f"[sweep]\n'{'x' * 5000}' = '{'x' * 5000}'",
    ],
)
def test_long_keys_and_values_are_cut_in_messages(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        grid(path, [])
    assert len(str(caught.value)) < 1000


def test_a_name_that_follows_from_a_long_source_is_cut() -> None:
    config = Config.load(None, [f"corpus.source={'x' * 5000}"])
    assert config.name == "x" * 200
    assert len(config.corpus.source) == 5000
