"""Forward-only work: answers, embeddings and the most probable next words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from sim.llm.lanes import Lanes
from sim.llm.model import LanguageModel, pad

ROWS, SAMPLED_ROWS = 128, 64
"""Answers generated at once; the draws of sampled ones depend on how many these are."""


def generate(
    lm: LanguageModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    layers: Lanes | None = None,
    adapter: Tensor | None = None,
    max_prompt_tokens: int = 256,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Answer prompts with the base LLM, or with one adapter (size,) on its wrapped layers.

    Greedy unless `temperature` > 0, which samples from a generator of its own seeded by `seed`. Prompts of like
    length share a batch.
    """
    encoded = lm.encode_prompts(prompts, max_prompt_tokens)
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    answers = [""] * len(prompts)
    stop = lm.tokenizer.convert_tokens_to_ids(lm.template.after.strip())
    stops = sorted({i for i in (lm.tokenizer.eos_token_id, stop) if isinstance(i, int)})
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    served = nullcontext() if adapter is None or layers is None else layers.serving(adapter[None].to(lm.device))
    with torch.no_grad(), torch.random.fork_rng(devices=[]), served:
        torch.manual_seed(seed)
        rows = SAMPLED_ROWS if temperature else ROWS
        for at in range(0, len(order), rows):
            part = order[at : at + rows]
            ids, mask = _pad_left([encoded[i] for i in part], lm.pad_id)
            new = lm.model.generate(  # type: ignore[operator]
                input_ids=ids.to(lm.device),
                attention_mask=mask.to(lm.device),
                max_new_tokens=max_new_tokens,
                pad_token_id=lm.pad_id,
                eos_token_id=stops or None,
                **sampling,
            )[:, ids.shape[1] :]
            for i, row in zip(part, new.tolist(), strict=True):
                answers[i] = lm.decode(row)
    return answers


def embed(lm: LanguageModel, prompts: Sequence[str], max_tokens: int = 512) -> np.ndarray:
    """Hidden state before the output layer where each reply would begin: float32 (prompts, width)."""
    encoded = lm.encode_prompts(prompts, max_tokens)
    out = np.empty((len(prompts), lm.config.hidden_size), dtype=np.float32)
    with torch.no_grad():
        for part in _alike(encoded, lm.batch_tokens):
            ids = torch.from_numpy(pad([encoded[i] for i in part], lm.pad_id)).to(lm.device)
            last = torch.tensor([len(encoded[i]) - 1 for i in part], device=lm.device)
            hidden = lm.hidden(ids)[torch.arange(len(part), device=lm.device), last]
            out[part] = hidden.float().cpu().numpy()
    return out


def states(
    lm: LanguageModel, strings: Sequence[str], layers: int, max_tokens: int = 512
) -> tuple[np.ndarray, list[int]]:
    """Mean hidden state over the tokens of each string after so many layers.

    Strings are read without a template, and their ends cut where they are too long; an empty one has zeros. Batches are
    small elsewhere than on a CPU, since the states of all layers are kept until the mean is taken.

    Returns: float32 (strings, width), and how many tokens of each string were read.
    """
    encoded = [np.array(ids[:max_tokens], dtype=np.int32) for ids in lm.ids(strings)]
    out = np.zeros((len(strings), lm.config.hidden_size), dtype=np.float32)
    with torch.no_grad():
        for part in _alike(encoded, lm.batch_tokens if lm.device.type == "cpu" else lm.batch_tokens // 16):
            lengths = torch.tensor([len(encoded[i]) for i in part], device=lm.device)
            if not lengths[0]:  # the longest
                continue
            ids = torch.from_numpy(pad([encoded[i] for i in part], lm.pad_id)).to(lm.device)
            inside = torch.arange(ids.shape[1], device=lm.device) < lengths[:, None]
            total = (lm.layers(ids, layers)[layers].float() * inside[..., None]).sum(dim=1)
            out[part] = (total / lengths.clamp(min=1)[:, None]).cpu().numpy()
    return out, [len(ids) for ids in encoded]


def output_rows(lm: LanguageModel, words: Sequence[str], whole: bool = False) -> np.ndarray:
    """The output layer's row of the token that each word begins with, as in a reply: float32 (words, width).

    Where the template ends with a space or a new line, a reply has none before its first word.

    Args:
        whole: a word that is one token where a space is before it has that token's row instead.
    """
    space = "" if lm.template.between[-1:].isspace() else " "
    first = [ids[0] for ids in lm.ids([space + word for word in words])]
    if whole:
        inside = lm.ids([" " + word for word in words])
        first = [ids[0] if len(ids) == 1 else token for ids, token in zip(inside, first, strict=True)]
    return lm.head.weight[first].detach().float().cpu().numpy()  # type: ignore[index]


def _alike(rows: Sequence[np.ndarray], tokens: int) -> Iterator[list[int]]:
    """Places of rows in batches of like length, longest first, each of at most `tokens` padded tokens."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    while order:
        count = max(1, tokens // max(1, len(rows[order[0]])))
        yield order[:count]
        order = order[count:]


def next_words(
    lm: LanguageModel, prompts: Sequence[str], count: int, max_tokens: int = 512
) -> tuple[list[tuple[str, float]], list[int]]:
    """The words an LLM would begin its replies with, by mean probability over prompts, best first.

    A first token that is only part of a word is completed greedily from the prompt where it is most probable.
    Words are lower-cased alphabetic strings of three letters or more; tokens of the same word add up.

    Returns: the words, and the tokens of each forward pass that completed one, besides those over all prompts.
    """
    hidden = torch.from_numpy(embed(lm, prompts, max_tokens)).to(lm.device, next(lm.model.parameters()).dtype)
    with torch.no_grad():
        probability = lm.logits(hidden).float().softmax(dim=-1).cpu()
    mean = probability.mean(dim=0)
    totals: dict[str, float] = defaultdict(float)
    read: list[int] = []
    for token in mean.topk(min(4 * count, len(mean))).indices.tolist():
        prompt = prompts[int(probability[:, token].argmax())]
        word, passes = _complete(lm, prompt, token, max_tokens)
        read += passes
        if word:
            totals[word] += float(mean[token])
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:count], read


def _complete(lm: LanguageModel, prompt: str, token: int, max_tokens: int, limit: int = 5) -> tuple[str, list[int]]:
    """The word that begins with `token` as the reply to `prompt`, "" if it is none; the tokens of each forward pass."""
    ids = lm.encode_prompts([prompt], max_tokens)[0].tolist()
    word, read = [token], []
    for _ in range(limit):
        text = lm.tokenizer.decode(word)
        if len(text.split()) > 1 or not text.strip().isalpha():
            break
        with torch.no_grad():
            read.append(len(ids + word))
            hidden = lm.hidden(torch.tensor([ids + word], device=lm.device))[:, -1]
            word.append(int(lm.logits(hidden).argmax()))
    parts = "".join(c if c.isalpha() else " " for c in lm.tokenizer.decode(word, skip_special_tokens=True)).split()
    return parts[0].lower() if parts and len(parts[0]) >= 3 else "", read


def _pad_left(rows: Sequence[np.ndarray], value: int) -> tuple[Tensor, Tensor]:
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), value, dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = row
        mask[i, longest - len(row) :] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
