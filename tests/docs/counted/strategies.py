"""What docs/strategies.md says of settings, and of the size of an offer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from devices.architecture import llm
from docs.make.summaries import REFERENCE, ROOT
from strategies.fallback import Fallback
from strategies.federated import Clustered
from strategies.hyperband import Hyperband
from strategies.lorahub import Lorahub
from strategies.scratch import Scratch
from strategies.xpert.cards import XpertCards
from strategies.xpert.merge import XpertMerge
from strategies.zero_shot import ZeroShot


def said() -> Iterator[str]:
    few = ZeroShot().texts
    yield f"lowest loss on {few} own texts | N pLLMs | N passes over {few} texts"
    hub = Lorahub()
    yield f"a merge of {hub.pllms} random pLLMs, weights searched without gradients | {hub.pllms} pLLMs |"
    yield f"| {hub.trials} passes over {hub.texts} texts |"
    globals_ = Clustered().clusters
    yield f"| {globals_} adapters | {globals_} passes over all texts |"
    yield f"a merge of up to {XpertMerge().most} pLLMs"
    yield f"as `xpert`, up to {XpertMerge().most} pLLMs"
    cards = XpertCards()
    assert cards.depth == 0.25
    yield f"through a quarter of the summarizer, one over {cards.named} texts through all of it"
    yield f"two passes over {Fallback(Scratch()).texts} texts"
    yield f"(`step`; the default, {Hyperband().step:g}, is about one step"

    sizes, wide = set(), set()
    for path in (REFERENCE / "headline").rglob("pool.csv"):
        users, pool = pd.read_csv(path.parent / "users.csv"), pd.read_csv(path)
        (pllm,) = set(pool["bytes"])
        sizes |= set(users[users["strategy"] == "xpert"]["bytes_down"] - pllm)
        wide.add(pllm)
    (pllm,) = wide
    here = json.loads((ROOT / "sim" / "pocket" / "data" / "summarizer" / "config.json").read_text())["hidden_size"]
    large = llm("llama-3.1-8b").width
    yield f"{min(sizes) / 1e3:.0f} to {max(sizes) / 1e3:.0f} kB for `xpert` with the built-in summarizer"
    yield f"whose vectors are {here} wide"
    yield f"those of Llama-3.1-8B are {large:,} wide, {large / here:.0f} times as large (a pLLM is {pllm / 1e6:.0f} MB)"
    rank, n = 8, len(pool)
    yield f"({n} adapters of rank {rank}: {n * rank})"
