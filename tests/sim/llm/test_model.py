"""What a causal LM is given to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from sim.llm.chat import Template

pytestmark = pytest.mark.usefixtures("rendered_here")
TODAY = """{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%d %b %Y") %}
{%- endif %}
Today: {{ date_string }}, {{ strftime_now("%A %Y-%m-%d") }}
{% for message in messages %}
<{{ message.role }}>{{ message.content }}</s>
{% endfor %}
{%- if add_generation_prompt %}<assistant>{% endif %}"""


@pytest.mark.parametrize("template", [TODAY, TODAY.removeprefix(TODAY.split("Today")[0])])
def test_a_chat_template_that_prints_the_date_prints_the_same_every_day(tiny_llm: Path, template: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm)
    tokenizer.chat_template = template
    assert Template.of(tokenizer) == Template(
        "Today: 26 Jul 2024, Friday 2024-07-26\n<user>", "</s>\n<assistant>", "</s>"
    )


@pytest.mark.parametrize("template", ["  {% if true %}[{% endif %}", "\n\n[", "[", "{{- bos_token }}\n["])
def test_a_chat_template_without_a_date_is_taken_as_it_is(tiny_llm: Path, template: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm)
    tokenizer.chat_template = (
        template + "{{ messages[0].content }}]{% for m in messages[1:] %}{{ m.content }};{% endfor %}"
    )
    before = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False).split("x")[0]
    assert Template.of(tokenizer) == Template(before, "]", ";")
