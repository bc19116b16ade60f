"""Built things appear whole or not at all, under a hash of what made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.common.cache import built, cache_dir, digest, folder_digest


def write(text: str, folder: Path) -> None:
    (folder / "file").write_text(text)


def test_is_built_once(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "thing"
    assert built(target, lambda folder: write("first", folder)) == target
    built(target, lambda folder: write("second", folder))
    assert (target / "file").read_text() == "first"


def test_what_failed_leaves_nothing_behind(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        write("half", folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        built(tmp_path / "thing", fails)
    assert list(tmp_path.iterdir()) == []
    built(tmp_path / "thing", lambda folder: write("whole", folder))
    assert (tmp_path / "thing" / "file").read_text() == "whole"


def test_of_two_that_build_at_once_the_first_wins(tmp_path: Path) -> None:
    def slower(folder: Path) -> None:
        write("slower", folder)
        built(tmp_path / "thing", lambda other: write("faster", other))

    built(tmp_path / "thing", slower)
    assert (tmp_path / "thing" / "file").read_text() == "faster"
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_built_folder_is_readable_by_others(tmp_path: Path) -> None:
    assert built(tmp_path / "thing", lambda folder: write("x", folder)).stat().st_mode & 0o555 == 0o555


def test_digest_follows_values_and_not_their_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert len({digest({"a": v}) for v in (1, 2, 1.5, "1", None, [1])}) == 6


@pytest.mark.parametrize("value", [np.arange(3), np.int64(3), {1: "a"}, {"x"}, Path("a"), object()])
def test_what_is_no_json_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError, match=r"^made_of\.settings\[1\]\.inner (is a|has the key) "):
        digest({"settings": [0, {"inner": value}]})


def test_folder_digest_follows_names_and_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        write("x", tmp_path / name / "sub")
    one, two = tmp_path / "one", tmp_path / "two"
    assert folder_digest(one) == folder_digest(two)
    write("y", two / "sub")
    assert folder_digest(one) != folder_digest(two)
    write("x", two / "sub")
    (two / "sub" / "file").rename(two / "sub" / "other")
    assert folder_digest(one) != folder_digest(two)


def test_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("HEADSTART_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "headstart"
