"""Whatever a config's tuned file holds, the config is read, or one line says what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.common.errors import UserError
from sim.experiment.config import Config

pytestmark = pytest.mark.fuzz

KEYS = st.sampled_from(["lr", "warm_lr", "pool", "training", "steps", ""]) | st.text(max_size=5)
VALUES = st.recursive(
    st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=5) | st.sampled_from([1e-3, 0.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
TREES = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tuned") / "a.toml"
    path.write_text('tuned = "t.toml"\n[training]\nsteps = 9\n')
    return path


def check(config: Path, content: bytes) -> None:
    (config.parent / "t.toml").write_bytes(content)
    said = ""
    try:
        assert Config.load(config).training.steps == 9
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert not said or any(name in said for name in ("t.toml", "pool.lr", "training.lr", "training.warm_lr"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_any_tree(config: Path, tree: dict[str, object]) -> None:
    try:
        content = tomli_w.dumps(tree).encode()
    except (TypeError, ValueError):  # no TOML has it
        return
    check(config, content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="replace")))
def test_any_bytes(config: Path, content: bytes) -> None:
    check(config, content)
