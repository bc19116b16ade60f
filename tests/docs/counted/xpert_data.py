"""What docs/xpert_data.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docs.make.summaries import REFERENCE
from sim.analysis.everyone import Everyone
from sim.analysis.tables import load_run, records

RUN = REFERENCE / "xpert_data"


def said() -> Iterator[str]:
    run = load_run(RUN)
    minutes = json.loads((RUN / "manifest.json").read_text(encoding="utf-8"))["wall_s"] / 60
    texts = set(run.users["texts"])
    assert len(texts) == 1
    yield f"seed 0, {run.users['user_id'].nunique()} users with {texts.pop()} texts"
    yield f"{minutes:.0f} minutes in all beside other work"

    fewer = {row["strategy"]: row for row in records(Everyone([run]).compare("steps", "xpert"))}
    random, oracle = fewer["random"], fewer["oracle"]
    low, high = -random["high"], -random["low"]
    yield f"xpert needs {-random['mean']:.1f} steps ({low:.1f} to {high:.1f}, paired, all users) fewer than random"
    assert oracle["low"] <= 0 <= oracle["high"]

    chosen = run.users[run.users["strategy"] == "xpert"]
    right = chosen.groupby("style")["correct"].mean()
    found = [style for style, share in right.items() if share == 1]
    yield f"Styles {', '.join(found[:-1])} and {found[-1]} are always found"
    taken = {s: set(chosen[(chosen["style"] == s) & ~chosen["correct"].astype(bool)]["chosen"]) for s in ("1", "2")}
    assert (taken, right["1"]) == ({"1": {"3"}, "2": {"4"}}, 0)
    assert (chosen["style"] == "1").sum() == 5
    assert (chosen[chosen["style"] == "2"]["correct"].astype(bool).value_counts().to_dict()) == {True: 10, False: 2}
    assert set(run.words["word"]) == {"technical", "plain"}
    yield "All five users of style 1"
    yield "get the pLLM of style 3"
    yield "two of twelve of style 2 that of 4"
