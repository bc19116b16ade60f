"""Built things appear whole or not at all, under a hash of what made them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.common.cache import (
    SEAL,
    built,
    cache_dir,
    damage,
    digest,
    folder_digest,
    known_digest,
    require_whole,
    seal,
    signature,
)
from sim.common.errors import UserError


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


# ---------------------------------------------------------------- what the disk holds


def test_folder_digest_follows_links_and_keeps_names_from_contents(tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    for folder in (real, linked):
        folder.mkdir()
    write("1", real)
    (linked / "folder").symlink_to(real)
    (linked / "one").symlink_to(real / "file")
    before = folder_digest(linked)
    write("2", real)
    assert folder_digest(linked) != before
    for name, content in {"a": "bX", "ab": "X"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(content)
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "ab")


@pytest.mark.parametrize("odd", ["nowhere", "circle", "pipe"])
def test_what_cannot_be_read_is_named_and_not_waited_for(tmp_path: Path, odd: str) -> None:
    made = {
        "nowhere": lambda path: path.symlink_to(tmp_path / "gone"),
        "circle": lambda path: path.symlink_to(tmp_path),
        "pipe": os.mkfifo,
    }
    (tmp_path / "sub").mkdir()
    made[odd](tmp_path / "sub" / "odd")
    for read in (folder_digest, signature):
        with pytest.raises(UserError, match=rf"^{tmp_path}/sub/odd.*: "):
            read(tmp_path)
    assert damage(tmp_path)


def test_a_folder_is_read_once_and_again_where_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("1", tmp_path)
    one = known_digest(tmp_path)
    assert one == folder_digest(tmp_path)
    monkeypatch.setattr("sim.common.cache.folder_digest", lambda *_: "again")
    assert known_digest(tmp_path) == one
    write("22", tmp_path)
    assert known_digest(tmp_path) == "again"


def changed(folder: Path) -> None:
    (folder / "file").write_text("other")


def emptied(folder: Path) -> None:
    (folder / "file").write_text("")


def half(folder: Path) -> None:
    (folder / "file").unlink()


def more(folder: Path) -> None:
    (folder / "more").write_text("")


def unsealed(folder: Path) -> None:
    (folder / SEAL).unlink()


def foreign(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "theirs").write_text("x")


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def a_link(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")


@pytest.mark.parametrize("harm", [changed, emptied, half, more, unsealed, foreign, a_file, a_link])
def test_what_is_damaged_is_set_aside_said_and_built_again(
    harm: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = built(tmp_path / "thing", lambda folder: write("whole", folder))
    for time in (1, 2):
        harm(target)
        assert built(target, lambda folder: write("again", folder)) == target
        assert (target / "file").read_text() == "again"
        assert damage(target) == ""
        aside = tmp_path / f"thing.damaged-{time}"
        assert os.path.lexists(aside)
        assert f"{target}: " in caplog.messages[-1]
        assert aside.name in caplog.messages[-1]
    assert len(caplog.messages) == 2


def test_a_folder_that_says_so_itself_is_checked_and_refused(tmp_path: Path) -> None:
    write("x", tmp_path)
    (tmp_path / "beside").mkdir()
    seal(tmp_path, without="beside")
    write("not part of it", tmp_path / "beside")
    assert require_whole(tmp_path, "mend it", "beside") == tmp_path
    write("y", tmp_path)
    with pytest.raises(UserError, match=rf"^{tmp_path}: damaged \(.*{SEAL} says\); mend it\.$"):
        require_whole(tmp_path, "mend it", "beside")
