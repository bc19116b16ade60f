"""A file is there whole or not at all, and a full disk is named by its place, in whatever words a library says so."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.common.disk import disk_of, filling, no_space, write_whole, writing
from sim.common.errors import UserError


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for 64 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here (needs root)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", "first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left") as caught:
        write_whole(tmp_path / "a", b"second")
    assert caught.value.filename == str(tmp_path / "a")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "first"}


ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError('IoError(Os { code: 122, kind: QuotaExceeded, message: "Disk quota exceeded" })'),
    RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0"),
    OSError("4096 requested and 1024 written"),
    shutil.Error([("a", "b", "[Errno 28] No space left on device: 'a' -> 'b'")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: f"{type(e).__name__} {str(e)[:20]}")
def test_every_way_to_say_that_a_disk_is_full_names_the_disk_that_was_written(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="left") as caught, filling(Path("/dev/shm/x")):
        raise error
    assert f"left on the disk at {disk_of(Path('/dev/shm'))} (" in no_space(caught.value, tmp_path)


def test_the_error_of_a_copy_names_the_disk_it_was_copied_to() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/proc/version", None, "/dev/shm/x")
    assert f"the disk at {disk_of(Path('/dev/shm'))} " in no_space(error)


def test_what_led_to_an_error_counts_and_another_error_does_not(tmp_path: Path) -> None:
    error = RuntimeError("the plot was not written")
    error.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded", str(tmp_path / "x"))
    assert no_space(error).startswith("no quota left on the disk at ")
    assert no_space(OSError(errno.ENOENT, "No such file", "x")) == ""
    assert no_space(ValueError("28")) == ""


def test_libraries_that_write_to_a_full_disk_are_understood(disk: Path, tmp_path: Path) -> None:
    import numpy as np
    import torch
    from matplotlib.figure import Figure
    from safetensors.torch import save_file

    large, source = torch.zeros(100_000), tmp_path / "source"
    source.write_bytes(bytes(200_000))
    ways = {
        "safetensors": lambda path: save_file({"a": large}, path),
        "torch": lambda path: torch.save(large, path),
        "numpy": lambda path: np.save(path, large.numpy()),
        "savez": lambda path: np.savez(path, a=large.numpy()),
        "copy": lambda path: shutil.copyfile(source, path),
        "bytes": lambda path: path.write_bytes(bytes(200_000)),
        "matplotlib": lambda path: Figure(figsize=(20, 20), dpi=300).savefig(path, format="raw"),
    }
    for name, write in ways.items():
        with pytest.raises(OSError, match="left") as caught, filling(disk / name):
            write(disk / name)
        assert f"on the disk at {disk.resolve()} (0 MB free)" in no_space(caught.value), name
        for path in disk.iterdir():
            path.unlink()


def test_a_place_that_may_not_be_written_is_one_line(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(UserError, match=r"^cannot write '.*/disk/.*': Read-only file system\.$"):
        write_whole(disk / "a", "x")
    with (
        pytest.raises(UserError, match=r"'.*/disk/b': Read-only file system; so there\.$"),
        writing(disk, "; so there"),
    ):
        (disk / "b").mkdir()
    assert os.listdir(disk) == []  # noqa: PTH208
