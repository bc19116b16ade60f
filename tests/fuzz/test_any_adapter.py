"""Whatever an adapter's folder holds, it is read as what it says or refused in one line that names the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from sim.common.errors import UserError
from sim.llm.adapters.base import Layout, Site
from sim.llm.adapters.files import CONFIG, WEIGHTS
from sim.llm.adapters.ia3 import Ia3Layout
from sim.llm.adapters.lora import LoraLayout
from tests.odd import accepted, changed, spoilt, values

pytestmark = pytest.mark.fuzz

SITES = (Site("layers.0.q_proj", 3, 5), Site("layers.0.down_proj", 5, 3))
LAYOUTS: list[Layout] = [LoraLayout(SITES, rank=2, alpha=4.0), Ia3Layout(SITES)]
NOT_DONE = """use_rslora use_dora lora_bias rank_pattern alpha_pattern modules_to_save layers_to_transform
 fan_in_fan_out exclude_modules trainable_token_indices some_entry_of_the_future""".split()
ENTRIES = [*NOT_DONE, "base_model_name_or_path", "init_lora_weights", "lora_dropout", "revision"]
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapter")


def config_of(layout: Layout) -> dict[str, Any]:
    plain = {"peft_type": layout.peft_type, "task_type": "CAUSAL_LM", "target_modules": layout.targets()}
    return {**plain, **layout.config()}


@st.composite
def tensors(draw: st.DrawFn, layout: Layout) -> dict[str, torch.Tensor]:
    """A good adapter's tensors, of which some are dropped, added, or of another shape, type or value."""
    found = layout.state_dict(torch.ones(layout.size))
    for name in draw(st.lists(st.sampled_from([*found, "base_model.model.lm_head.lora_A.weight", ""]), max_size=2)):
        if draw(st.booleans()):
            found.pop(name, None)
            continue
        shape = draw(
            st.sampled_from([tuple(t.shape) for t in found.values()] or [()]) | st.sampled_from([(), (0,), (1, 1)])
        )
        value = draw(st.sampled_from([0.0, 1.0, float("nan"), float("inf"), -1e-30, 60000.0, 1e39]))
        found[name] = torch.full(shape, value, dtype=torch.float64).to(draw(st.sampled_from(DTYPES)))
    return found


@given(data=st.data())
def test_any_adapter(folder: Path, data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    config = data.draw(changed(config_of(layout), more=ENTRIES) | values())
    weights = save(data.draw(tensors(layout)))
    (folder / CONFIG).write_bytes(data.draw(spoilt(json.dumps(config).encode())))
    (folder / WEIGHTS).write_bytes(data.draw(spoilt(weights)))
    flat = accepted(lambda: layout.load(folder), UserError, folder)
    if flat is not None:
        assert flat.shape == (layout.size,)
        assert flat.isfinite().all()
        said = json.loads((folder / CONFIG).read_text())
        assert not any(said.get(entry) for entry in NOT_DONE)
