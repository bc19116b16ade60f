"""How an LLM is told where a prompt ends and its answer begins: chat templates, and tokens that no user writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sim.common.errors import UserError
from sim.llm import rendering

TODAY = datetime(2024, 7, 26)
"""The day that chat templates see: one that prints the date must not change the texts from day to day."""
PROMPT, ANSWER = "Prompt-mark Here", "Answer-mark Here"
"""What stands for texts: words that no change of case leaves as they are."""


@dataclass(frozen=True)
class Template:
    """The strings around a prompt and an answer."""

    before: str
    between: str
    after: str

    @classmethod
    def of(cls, tokenizer: Any) -> Template:
        """The tokenizer's chat template where it has one, else a plain question and answer.

        Raises: UserError where the template fails, takes too long, or does not put prompt and answer once each.
        """
        if not tokenizer.chat_template:
            return cls(tokenizer.bos_token or "", "\n", tokenizer.eos_token or "\n")
        try:
            variables = {**tokenizer.special_tokens_map, "date_string": f"{TODAY:%d %b %Y}"}
            opened, closed = _rendered(_dated(tokenizer.get_chat_template()), variables)
            return cls.around(opened, closed, tokenizer.eos_token or "")
        except (TypeError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise UserError(f"llm: the chat template of {tokenizer.name_or_path!r} cannot be used: {said}.") from error

    @classmethod
    def around(cls, opened: str, closed: str, end: str) -> Template:
        """What stands around the marks in a chat that waits for its answer and in one that has it. Raises ValueError.

        Args:
            end: what ends an answer where the chat itself does not.
        """
        for what, mark, chat in (("prompt", PROMPT, opened), ("prompt", PROMPT, closed), ("answer", ANSWER, closed)):
            if (times := chat.count(mark)) != 1:
                raise ValueError(f"it renders the {what} {times} times, where once is expected")
        before, between = opened.split(PROMPT)
        asked, after = closed.split(ANSWER)
        if PROMPT not in asked:
            raise ValueError("it renders the answer before the prompt")
        return cls(before, between, after.rstrip("\n") or end)


def _dated(template: str) -> str:
    """A chat template whose `strftime_now` is always `TODAY`: a macro hides the function of `transformers`."""
    parts = "".join(f" | replace('%{code}', '{TODAY:%{code}}')" for code in "aAbBdHIjmMpSyY")
    return f"{{%- macro strftime_now(format) %}}{{{{ format{parts} }}}}{{%- endmacro %}}\n{template}"


def _rendered(template: str, variables: dict[str, Any]) -> tuple[str, str]:
    """Both chats with the marks. Raises ValueError."""
    asked = {"template": template, "variables": variables, "prompt": PROMPT, "answer": ANSWER}
    said = json.loads(_elsewhere(json.dumps(asked, default=str)))
    if isinstance(said, str):
        raise ValueError(said)
    opened, closed = said
    return opened, closed


@lru_cache(maxsize=64)
def _elsewhere(asked: str) -> str:
    """What `rendering.answer` says in a process of its own. Raises ValueError where it was stopped."""
    done = subprocess.run([sys.executable, "-P", rendering.__file__], input=asked, capture_output=True, text=True)
    if done.returncode > 0:
        raise ValueError(f"rendering failed: {done.stderr.strip().splitlines()[-1:]}")
    if done.returncode:
        raise ValueError(f"it takes more than {rendering.CPU_S} s or {rendering.MEMORY_BYTES >> 30} GiB to render")
    return done.stdout


def control_tokens(tokenizer: Any, template: Template) -> re.Pattern[str]:
    """Finds, in a text, what the tokenizer would read as its control tokens; one group.

    They are its special tokens, and the added ones that the chat template itself writes. Whoever writes about "<|end|>"
    does not end an answer.
    """
    written = f"{template.before}\0{template.between}\0{template.after}"
    tokens = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special or t.content in written}
    tokens.update(tokenizer.all_special_tokens)
    longest_first = sorted((t for t in tokens if t.strip()), key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")


def encoded(
    tokenizer: Any, texts: Sequence[str], before: str, after: str, controls: re.Pattern[str]
) -> list[list[int]]:
    """Token ids of texts between two strings of a template; control tokens in a text are read as plain text.

    Args:
        controls: from `control_tokens`.
    """
    ids: list[list[int]] = tokenizer([f"{before}{t}{after}" for t in texts], add_special_tokens=False)["input_ids"]
    for i, text in enumerate(texts):
        if controls.search(text):
            pieces = controls.split(text)  # text and control tokens in turn
            pieces[0], pieces[-1] = before + pieces[0], pieces[-1] + after
            ids[i] = [n for at, piece in enumerate(pieces) for n in _piece(tokenizer, piece, as_text=at % 2 == 1)]
    return ids


def _piece(tokenizer: Any, piece: str, as_text: bool) -> list[int]:
    if not piece:
        return []
    ids: list[int] = tokenizer(piece, add_special_tokens=False, split_special_tokens=as_text)["input_ids"]
    if as_text and tokenizer.convert_tokens_to_ids(piece) in ids:  # not special, or the plain vocabulary has it too
        return [n for letter in piece for n in _piece(tokenizer, letter, as_text=False)]
    return ids
