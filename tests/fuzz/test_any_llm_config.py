"""Whatever a config.json holds, it is an LLM of possible sizes or refused in one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import llm
from devices.configs import DEFAULTS
from tests.odd import accepted, changed, spoilt, values

pytestmark = pytest.mark.fuzz

GOOD = [
    {"model_type": kind, **{key: value for key, value in entries.items() if value is not None}}
    for kind, entries in DEFAULTS.items()
]
KEYS = sorted({key for good in GOOD for key in good} | {"num_experts"})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("llm") / "config.json"


@given(data=st.data())
def test_any_llm_config(path: Path, data: st.DataObject) -> None:
    config = data.draw(st.sampled_from(GOOD).flatmap(lambda good: changed(good, more=KEYS)) | values())
    if data.draw(st.booleans()):
        config = {"model_type": data.draw(st.sampled_from(["gemma3", "llava"])), "text_config": config}
    path.write_bytes(data.draw(spoilt(json.dumps(config).encode())))
    shape = accepted(lambda: llm(path), ValueError, path)
    if shape is not None:
        assert shape.heads % shape.kv_heads == 0
        assert 0 < shape.layer_parameters < shape.parameters < 1e20
        assert 0 < shape.weight_bytes("int4") < shape.weight_bytes("fp16")
