"""Renders the chat template of an LLM, where it cannot do harm. Run as a file; JSON in, JSON out.

A template is a program that strangers wrote. `transformers` keeps it from the machine's files and modules, but not from
running for ever or from filling the memory, so it runs in a process of its own with limits on both.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from typing import Any

CPU_S, MEMORY_BYTES, LONGEST = 3, 2 << 30, 100_000
"""What rendering may take; and characters that a rendered chat may have."""


def render(template: str, variables: Mapping[str, Any], prompt: str, answer: str) -> tuple[str, str]:
    """A prompt that waits for its answer, and one with it, as a chat template puts them. Raises whatever it raises.

    Args:
        variables: what else the template sees: the special tokens.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    question = [{"role": "user", "content": prompt}]
    whole = [*question, {"role": "assistant", "content": answer}]
    (opened, *_), _ = render_jinja_template([question], chat_template=template, add_generation_prompt=True, **variables)
    (closed, *_), _ = render_jinja_template([whole], chat_template=template, **variables)
    if max(len(opened), len(closed)) > LONGEST:
        raise ValueError(f"renders more than {LONGEST:,} characters for one short text")
    return opened, closed


def answer(asked: str) -> str:
    """Both chats that the arguments of `render` give, or why there are none; JSON in, JSON out."""
    try:
        said: object = render(**json.loads(asked))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    return json.dumps(said)


def main() -> None:
    """Answer stdin on stdout."""
    import transformers.utils.chat_template_utils  # noqa: F401 - takes longer than most templates

    _limit(resource.RLIMIT_CPU, ceil(time.process_time()) + CPU_S)
    with suppress(ValueError, OSError):  # macOS has no such limit
        _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    sys.stdout.write(answer(sys.stdin.read()))


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
