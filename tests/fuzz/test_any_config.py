"""Any bytes as a config's file, any text as an override: a sound config, or one line that says what is wrong."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.grid import grid
from tests.odd import TEXTS, dates, mutated, scalars, values

pytestmark = pytest.mark.fuzz
WHOLE = Config.load(None, ['options.mine={use="xpert", metric="l2"}', "corpus.styles=a,b"]).model_dump()
KEYS = [f"{section}.{key}" for section, inner in WHOLE.items() if isinstance(inner, dict) for key in inner]
KEYS += [key for key, value in WHOLE.items() if not isinstance(value, dict)]
of_toml = st.one_of(scalars.filter(lambda v: v is not None), dates)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configs") / "mine.toml"


def sound(config: Config, folder: Path) -> None:
    """It is what it says: written, read, sent and hashed, it is the same."""
    assert Config.of(tomllib.loads(config.to_toml())).digest() == config.digest()
    assert Config.model_validate_json(config.model_dump_json()).digest() == config.digest()
    with contextlib.suppress(UserError):
        config.anchored(folder)


def one_line(error: UserError, key: str = "") -> None:
    """It is one line of a length that a terminal bears, and names the key, or the section that lacks it."""
    said = str(error)
    assert said
    assert "\n" not in said
    assert len(said) < 1500
    assert key.partition(".")[0] in said or key.partition(".")[2] in said


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        sound(Config.load(file), file.parent)
    except UserError as error:
        one_line(error)


@given(mutated(WHOLE, of_toml), st.sampled_from(["\n", "\r\n"]), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.data())
def test_any_tree(file: Path, tree: object, newline: str, mark: bytes, data: st.DataObject) -> None:
    try:
        text = tomli_w.dumps(tree)  # type: ignore[arg-type]
    except (TypeError, AttributeError, UnicodeError, ValueError, RecursionError):
        return  # no TOML at all
    content = mark + text.replace("\n", newline).encode(errors="surrogatepass")
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    file.write_bytes(content)
    try:
        sound(data.draw(st.sampled_from([Config.load, Config.of_run]))(file), file.parent)
    except UserError as error:
        one_line(error)


@given(st.sampled_from(KEYS), values(scalars).map(str) | st.text(max_size=40) | st.sampled_from(TEXTS))
def test_any_override_of_a_key(file: Path, key: str, value: str) -> None:
    try:
        sound(Config.load(None, [f"{key}={value}"]), file.parent)
    except UserError as error:
        one_line(error, key)


@given(st.lists(st.text(max_size=60) | st.sampled_from(TEXTS).map(lambda t: f"options.{t}.x={t}"), max_size=3))
def test_any_override(file: Path, overrides: list[str]) -> None:
    try:
        sound(Config.load(None, overrides), file.parent)
    except UserError as error:
        one_line(error)


@given(st.sampled_from(KEYS), st.lists(values(of_toml), max_size=3), st.lists(st.text(max_size=30), max_size=2))
def test_any_sweep(file: Path, key: str, swept: list[object], arguments: list[str]) -> None:
    try:
        file.write_text(tomli_w.dumps({"sweep": {key: swept}}), encoding="utf-8")
    except (TypeError, AttributeError, UnicodeError, ValueError, RecursionError):
        return
    try:
        for point in grid(file, arguments):
            assert point.folder.name == point.config.digest()
    except UserError as error:
        one_line(error)
