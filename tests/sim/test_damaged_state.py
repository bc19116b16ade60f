"""What lies in caches, pools and results is checked when it is opened: mended where it is ours, else named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sim.common.cache import ASIDE, SEAL
from sim.llm.adapters.files import WEIGHTS
from sim.pool.pool import INDEX
from tests.runs import Command, same_tables, tiny_overrides


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def plain(tiny_llm: Path, tmp_path: Path, cache: Path, command: Command) -> tuple[list[str], Path]:
    """The arguments of a run, and its results; its pool and offers are in the cache afterwards."""
    arguments = ["run", "--no-plots", *tiny_overrides(tiny_llm, tmp_path / "out")]
    status, out, err = command(*arguments)
    assert status == 0, err
    return arguments, results(out)


def results(out: str) -> Path:
    """The folder of a run that printed this."""
    return Path(out.splitlines()[-1])


def rot(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["pools", "pllms", "offers"])
def test_what_rotted_in_the_cache_is_set_aside_and_built_again(
    kind: str, plain: tuple[list[str], Path], cache: Path, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    arguments, undisturbed = plain
    rotten = sorted(path for path in (cache / kind).rglob("*") if path.is_file() and path.name != SEAL)[0]
    rot(rotten)
    if kind == "pllms":  # which are looked at where the pool has to be put together
        shutil.rmtree(cache / "pools")
    status, out, err = command(*arguments)
    assert status == 0, err
    same_tables(results(out), undisturbed)
    assert any(ASIDE in path.name for path in (cache / kind).rglob("*"))
    assert any(str(cache / kind) in message and ASIDE in message for message in caplog.messages)


def test_a_damaged_pool_of_the_user_s_is_refused_by_name_and_left_alone(
    plain: tuple[list[str], Path], cache: Path, tmp_path: Path, command: Command
) -> None:
    arguments, undisturbed = plain
    pool = Path(shutil.copytree(next((cache / "pools").iterdir()), tmp_path / "mine"))
    status, out, err = command(*arguments, f"pool.path={pool}")
    assert status == 0, err
    same_tables(results(out), undisturbed, "two runs")
    rot(next(pool.rglob(WEIGHTS)))
    status, _, err = command(*arguments, f"pool.path={pool}")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{pool}: damaged" in err
    assert [path.name for path in tmp_path.glob("mine*")] == ["mine"]


@pytest.mark.parametrize("name", ["../mine/x", "/etc", "", ".", "..", "a\\0b", "OFFERS", "x/../x", "x"])
def test_ids_that_leave_the_pool_are_refused(
    name: str, plain: tuple[list[str], Path], cache: Path, tmp_path: Path, command: Command
) -> None:
    arguments, _ = plain
    pool = Path(shutil.copytree(next((cache / "pools").iterdir()), tmp_path / "mine"))
    (pool / SEAL).unlink()
    known = next(path.name for path in pool.iterdir() if path.is_dir())
    ids = [known, known.upper()] if name == "x" else [name]
    (pool / INDEX).write_text(f'{{"pllms": {str(ids).replace(chr(39), chr(34))}}}')
    status, _, err = command(*arguments, f"pool.path={pool}")
    assert (status, err.count("\n")) == (2, 1)
    assert str(pool / INDEX) in err


@pytest.fixture
def read_only(cache: Path, tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes a folder one that nobody may write, not even root."""
    if not shutil.which("mount"):
        pytest.skip("there is no mount command")
    mounted: list[Path] = []

    def make(folder: Path) -> None:
        commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
        for line in commands:
            if subprocess.run([*map(str, line)], capture_output=True).returncode:
                pytest.skip("nothing can be mounted here (needs root)")
            mounted[:] = [folder]

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bind mounts")
def test_a_cache_that_may_not_be_written_serves_where_nothing_has_to_be(
    plain: tuple[list[str], Path], cache: Path, command: Command, read_only: Callable[[Path], None]
) -> None:
    arguments, undisturbed = plain
    read_only(cache)
    status, out, err = command(*arguments)
    assert status == 0, err
    same_tables(results(out), undisturbed)
    status, _, err = command(*arguments, "pool.seed=5")
    assert (status, err.count("\n")) == (2, 1), err
    assert f"cannot write '{cache}/" in err
    assert "Read-only file system; HEADSTART_CACHE names another cache" in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bind mounts")
def test_results_that_may_not_be_written_are_one_line(
    plain: tuple[list[str], Path], command: Command, read_only: Callable[[Path], None]
) -> None:
    arguments, done = plain
    (done / "summary.csv").unlink()
    read_only(done.parent)
    for line in (arguments, ["run", "--no-plots", "--resume", str(done)], ["report", str(done)]):
        status, _, err = command(*line)
        assert (status, err.count("\n")) == (2, 1), err
        assert str(done.parent) in err
        assert "Read-only file system" in err
