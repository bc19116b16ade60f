"""Shared by tests of records: a run that was not disturbed, and a copy of it to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.display import Log
from sim.engine import start
from sim.experiment.config import Config
from sim.experiment.shipped import QUICKSTART
from sim.records.folder import make_folder
from tests.runs import tiny_overrides


@pytest.fixture(scope="module")
def whole(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run, of what `headstart run` does when no file is named."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        config = Config.load(QUICKSTART, tiny_overrides(tiny_llm, tmp_path_factory.mktemp("whole")))
        folder = make_folder(config, "run")
        start(prepare(config), folder, Log())
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))
