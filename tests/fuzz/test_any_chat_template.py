"""Whatever a chat template holds, it puts prompt and answer once each or is refused in one line that names the LLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from sim.common.errors import UserError
from sim.llm.chat import Template, control_tokens, encoded
from tests.odd import accepted, texts, values

pytestmark = [pytest.mark.fuzz, pytest.mark.usefixtures("rendered_here")]

PARTS = st.sampled_from(
    """{{ messages[0].content }}|{{ messages[1].content }}|{% for m in messages %}|{% endfor %}|{{ m.content }}
    |{{ m['role'] }}|{{ m.content | trim }}|{{ m.content | upper }}|{% if messages[1:] %}|{% else %}|{% endif %}
    |{% if add_generation_prompt %}|{{ bos_token }}|{{ eos_token }}|<|user|>|<|end|>|{{ raise_exception('no') }}
    |{{ strftime_now('%d %b %Y') }}|{{ date_string }}|{{ x.y }}|{{ ''.__class__ }}|{% set ns = namespace(x=1) %}
    |{{ ns.x }}|{% macro f() %}|{% endmacro %}|{{ f() }}|{%- for c in m.content -%}|{{ c }}|{{ 'x' * 999 }}
    |{{ messages | tojson }}|{% generation %}|{% endgeneration %}|{% break %}|{{ 1 / 0 }}|{#|#}|{{|}}|{%|%}
    |{{ messages.append(1) }}|{{ range(9) | list }}|{{ messages[9].content }}|{{ '%s' % messages[0].content }}""".split(
        "|"
    )
)
TEMPLATES = st.lists(PARTS | texts, max_size=12).map("".join) | st.text(max_size=40) | values()


@pytest.fixture(scope="module")
def tokenizer(tiny_llm: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_llm)


@given(template=TEMPLATES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chat_template(tiny_llm: Path, tokenizer: Any, template: Any) -> None:
    tokenizer.chat_template = template
    found = accepted(lambda: Template.of(tokenizer), UserError, tiny_llm)
    if found is not None:
        assert all("mark Here" not in part for part in (found.before, found.between, found.after))
        assert found.after


@given(
    text=st.lists(st.sampled_from(["<|end|>", "<|user|>", "<|", "|>", "end", " ", "<|pad|>"]) | st.text()).map("".join)
)
def test_any_text(tokenizer: Any, text: str) -> None:
    """No control token comes of a text, and the text comes back."""
    tokenizer.chat_template = None
    finds = control_tokens(tokenizer, Template("", "", ""))
    (ids,) = encoded(tokenizer, [text], "<|user|>", "<|end|>", finds)
    assert not set(tokenizer.all_special_ids) & set(ids[1:-1])
    assert tokenizer.decode(ids) == f"<|user|>{text}<|end|>"
