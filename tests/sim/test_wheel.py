"""`pip wheel .` has everything: installed in an environment without the clone it runs, from any folder.

The environment is new and has only the wheel; what Headstart depends on is lent to it by a path to this environment's
packages, which are two gigabytes. The clone is not on its path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def without_path() -> dict[str, str]:
    """The environment's variables without the path that may lead to a clone."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def headstart(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed from the wheel alone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, env=without_path())
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True, env=without_path())
    # `site.addsitedir` would follow the links to editable installs, the clone among them
    lent = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "lent.pth").write_text("".join(f"{path}\n" for path in lent))
    return folder / "bin" / "headstart"


def test_every_file_that_is_no_code_is_in_it(wheel: Path) -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], check=True, capture_output=True, text=True).stdout
    kept = set(zipfile.ZipFile(wheel).namelist())
    for name in listed.splitlines():
        first = name.partition("/")[0]
        if first in ("headstart", "sim", "strategies", "devices"):
            assert name in kept
        elif first == "configs":
            assert f"sim/experiment/{name}" in kept
    assert not [name for name in kept if name.startswith(("tests/", "docs/", "results/"))]


@pytest.mark.parametrize("engine", ["inline", "flower"])
def test_it_runs_from_another_folder(headstart: Path, tmp_path: Path, engine: str) -> None:
    small = "population.users=4 training.cost_only=true engine.workers=1".split()
    done = call(headstart, tmp_path, "run", *small, f"engine.backend={engine}")
    folder = Path(done.splitlines()[-1])
    assert folder.parent.parent == tmp_path / "results"
    assert (folder / "summary.csv").is_file()
    assert len((folder / "users.csv").read_text().splitlines()) > 4
    assert json.loads((folder / "manifest.json").read_text())["git_commit"] == ""
    assert list((folder / "plots").iterdir())


def test_its_lists_are_there(headstart: Path, tmp_path: Path) -> None:
    assert "oneplus-12" in call(headstart, tmp_path, "devices", "list")
    assert "quickstart.toml" in call(headstart, tmp_path, "configs")
    assert "xpert_cards" in call(headstart, tmp_path, "strategies")


def call(headstart: Path, folder: Path, *arguments: str) -> str:
    """What the command prints, of which the code has to come from the wheel."""
    environment = without_path()
    where = [str(headstart.with_name("python")), "-c", "import sim, headstart; print(sim.__file__, headstart.__file__)"]
    found = subprocess.run(where, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    assert all(Path(path).is_relative_to(headstart.parents[1]) for path in found.split()), found
    done = subprocess.run(
        [str(headstart), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
