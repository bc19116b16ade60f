"""Pages that are made: `docs/config.md`, `docs/records.md`, `docs/paper.md` and the README's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from docs.make import blind, headline, house, memory
from docs.make.results import FILLED, filled
from docs.make.summaries import REFERENCE
from sim.analysis.look.figures import save
from sim.analysis.measures import COSTS, METRICS, Metric
from sim.analysis.rules import RULES
from sim.analysis.words.quality import FIRST
from sim.analysis.words.shown import LEAST, LESS, MORE
from sim.experiment.config import Config
from sim.paper import page as paper_page
from sim.paper.chart import chart
from sim.paper.compare import Row, compare
from sim.paper.records import Records
from sim.published import paper
from sim.records.tables import describe

DOCS = Path(__file__).resolve().parents[1]
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def describe_config() -> str:
    """Every key of an experiment as Markdown: name, what is allowed, default, meaning."""
    parts = [
        "# Configuration\n\nThe keys of an experiment, in TOML or as `key=value` after `headstart run`. Made from "
        "`sim/experiment/sections.py` by `python -m docs.make`: edit there, not here.\n\nA list may be given as TOML, "
        "as JSON, or with commas: `strategies=scratch,xpert`.\n",
        _table("Top level", Config, ""),
    ]
    parts += [_table(f"[{name}]", section, f"{name}.") for name, section in _sections().items()]
    return "\n".join(parts)


def _sections() -> dict[str, type[BaseModel]]:
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def _table(title: str, model: type[BaseModel], prefix: str) -> str:
    lines = [f"## {title}\n", "| key | allowed | default | meaning |", "|---|---|---|---|"]
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if not prefix and name in _sections():
            continue
        default = json.dumps(field.get_default(call_default_factory=True))  # a TOML value looks the same, but for {}
        cells = (f"`{prefix}{name}`", _allowed(properties[name]), f"`{default}`", field.description or "")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _allowed(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return ", or ".join(_allowed(kind) for kind in schema["anyOf"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list; each: {_allowed(schema['items'])}"
    if "pattern" in schema:
        return f"text like `{schema['pattern']}`"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    kind = words.get(schema["type"], "table")
    bounds = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
    limits = [f"{LIMITS[short]} {schema[name]:,}" for name, short in bounds.items() if name in schema]
    return ", ".join([kind, *limits])


RECORDS = """# Records

What a run leaves in its folder. Made from `sim/records/tables.py` and `sim/analysis/measures.py` by
`python -m docs.make`: edit there, not here. Beside the tables: `config.toml` (all keys, `headstart run` takes it),
`manifest.json` (versions, machine, commit, workers, and `remarks`: what was dropped or put right in the corpus and the
availability trace), `progress.jsonl` (how far the run is, for `--resume`), `plots/`.
[training.md](training.md) says which texts decide when training ends and which measure its loss.

The mean compute saved under the rule *restart* (below) and a plot of the minutes, from `users.csv` alone:

```python
import pandas as pd

users = pd.read_csv("results/reference/quickstart/users.csv", keep_default_na=False, na_values=[""])
users = users[users["fits"].isin(["yes", "streamed"])]  # phones that have the memory; the others have no bill
wide = users.pivot(index="user_id", columns="strategy")
tuning, missed = wide["finetune_flops"], wide["censored"].astype(bool)
trained = tuning * wide["steps"] / wide["steps_to_target"].where(missed)  # a step costs as much after the target
restarted = trained.add(tuning["scratch"], axis=0)
total = wide["selection_flops"] + tuning.where(~missed, restarted)
print((1 - total.div(total["scratch"], axis=0)).mean())
minutes = users.groupby("strategy")[["selection_s", "download_s", "finetune_s"]].mean() / 60  # misses at the budget
minutes.plot.barh(stacked=True).figure.savefig("minutes.png", bbox_inches="tight")
```

The tables are data for programs: names of styles, strategies and phones are written as they are, whatever they look
like.

- A style may be called `NA` or `None`, and only what is empty is missing: `keep_default_na=False, na_values=[""]`.
- A name that begins with `=`, `+`, `-`, `@` or a tab is a formula to a spreadsheet. Results whose names somebody else
  chose should not be opened there with a double click; import them with every column as text (Excel: Data, From
  Text/CSV, do not detect data types; LibreOffice: mark all columns, type Text).
- `chosen` joins ids by `+`, which an id may have as well: `pool.csv` has the ids.
- Every row of every table begins with `run` and `seed`, so the tables of many runs can be put below each other and
  joined: `users.merge(pool, left_on=["run", "chosen"], right_on=["run", "pllm"])`. `run` is a hash of all that records
  depend on, so it is the same for the same experiment done twice; of a run in a sweep it is the folder's name, which
  `runs.csv` has as `folder`, and `manifest.json` of every run has it too. Of words.csv the rows of users are
  `words[words["owner_kind"] == "user"].astype({"owner": int})`, whose `owner` is the `user_id`.
- Booleans are `true` and `false`. `pd.read_csv` makes objects of a column in which some are empty (`correct` from
  scratch), and `~` of those is wrong: read with `dtype_backend="numpy_nullable"`, or `headstart.load(run).users`.
- With `records.format = "csv+parquet"` (`pip install -e '.[parquet]'`) a run that is done leaves each table as
  `NAME.parquet` as well: typed, compressed, and a column of a million rows is read without the others
  (`pd.read_parquet("users.parquet", columns=["strategy", "finetune_s"])`). While it runs it writes CSV, which it goes
  on with where it was interrupted, and from which all that is ours is made.
- Earlier runs, all of `results/reference/` among them, lack `run` and `seed`, have the reason behind `fits` in the
  same cell (`does_not_fit: WHY`), call an owner in words.csv `user N`, and write `True`. `headstart.load` reads them as
  today's.
"""
MEASURES = """
### Metrics of summary.csv

The main ones are columns of a sweep's `runs.csv` as well, there under the rule *restart*; a sweep with
replicates has a `summary.csv` of its own over all of them (sweeps.md). In the rows NAME_median `mean` is the median
over users, and `low` to `high` its interval. Savings are taken user by user and then averaged; there is none for a
user who is at the target before the first step from scratch. Rows NAME_of_means are 1 - mean cost / mean cost from
scratch instead.

| metric | unit | meaning |
|---|---|---|
"""
EXPLAINED = """
How explanations are measured, with *words.csv*, *users.csv*, *pool.csv*, and the words by which the corpus describes
its styles (`adjectives` of a style, `vocabulary` of the corpus: [corpora.md](corpora.md)):

- *Strengths* are those of words.csv, s, less what is said of all pLLMs, m, their mean: s - c m. What is said of
  everybody sets nobody apart. c is how much of m is in s: s.m / (m.m + v), where v is the mean square of a pLLM's
  distance from m. The strengths of `xpert_cards` have a mean of 0 and stay as they are; those of `xpert` are against
  unstyled text, and without this everybody would be more of everything. A word that was not said of somebody counts 0.
- *Shown* are the strongest words of either sign, from {least:g} % of the largest strength on: at most {more} of which
  the user has more than others, then at most {less} of which less. A word is left out if it contradicts a stronger one,
  by a list of opposites that needs no corpus (`sim/analysis/words/shown.py`).
- `tone_first`: the first word shown is a "more" word, and one of those of the value that the user's style has on the
  axis `tone`. Of users shown no such word it is not. Not defined where the style has no tone, or none that is known.
- `word_precision`: of the first {first} "more" words shown, or of as many as there are, the share that is among the
  adjectives of the user's style. `word_chance` is the share that is, of all words which the strategy says of anybody:
  what is expected of as many drawn at random. Precision less chance is what the explanation adds. Both are of users who
  are shown a "more" word.
- `contradictions`: among the words shown are two, both "more" or both "less", that are opposites by that list, or lie
  apart on an axis of the vocabulary whose values have an order or are just two: whatever values the two words describe
  are at least half of the axis from each other. As showing heeds the list, what is counted is what the list does not
  know; `contradictions_said` counts the same with no word left out.
- `fidelity`: the pLLM whose strengths, of all words, have the highest cosine with those of the user's words shown, all
  others 0, is the chosen pLLM, or one of those that are merged. A tie gives none.
- A user of several styles has the words of all of them. A style without adjectives, or a corpus that is not at hand,
  leaves `contradictions` by the list and `fidelity`. Users of whom nothing is said and who chose nothing do not count.
"""
CHARGED = """
The following metrics also follow from a rule, which says what a user costs who misses the target; column `rule` names
it. `any` stands there for the metrics above.

{rules}

| metric | unit | meaning |
|---|---|---|
"""
INTERVALS = """
Intervals cover what varies. Users of one style start from the same pLLM, so their errors go together: the bootstrap
draws styles with all of their users, and where several runs differ in nothing but `seed` or `pool.seed` it draws runs
first. Column `effect` (design effect) is how many times the variance is that of as many users with nothing in common.
Intervals of shares are exact (Clopper and Pearson), for the number of users divided by that effect; those of a median
are values at ranks, likewise. Where all users have one style, users are drawn. Differences between strategies are
taken user by user, and their p-values corrected for the number of strategies (Holm). No interval covers the error of
the cost model.

A break-even is in the unit of `billing.scratch_steps`: choosing costs the same whatever that is, and what fine-tuning
saves grows with it. For strategies that train while they choose (`hyperband`) it is approximate, since their trials
grow with it too.

Data saved: the least share of a user's texts that reaches the target, interpolated by loss between two rungs of the
ladder, against that from scratch, which reaches it with less than all too, by the tolerance and by luck.
"""


def describe_records() -> str:
    """Files, columns and metrics of a run as Markdown."""

    def rows(metrics: Iterable[Metric]) -> str:
        return "".join(f"| `{m.name}` | {m.unit} | {m.meaning} |\n" for m in metrics)

    rules = "\n".join(f"- *{name}*: {(rule.__doc__ or '').strip()}" for name, rule in RULES.items())
    charged = CHARGED.format(rules=rules) + rows(COSTS.values())
    explained = EXPLAINED.format(least=100 * LEAST, more=MORE, less=LESS, first=FIRST)
    return RECORDS + "\n" + describe() + MEASURES + rows(METRICS.values()) + explained + charged + INTERVALS


def describe_paper(rows: Sequence[Row]) -> str:
    """What XPerT's authors published beside the committed records: `rows`. Also what `headstart paper` writes."""
    root = paper_page.REFERENCE
    return paper_page.page(
        paper(), Records(REFERENCE), rows, root, paper_page.command(root, paper_page.PAGE), paper_page.PICTURE
    )


def pages() -> dict[str, str]:
    """Content of the pages made from code, by file name."""
    return {"config.md": describe_config(), "records.md": describe_records()}


def main(folder: Path = DOCS) -> None:
    rows = compare(paper(), Records(REFERENCE))
    for name, text in (pages() | {"paper.md": describe_paper(rows), blind.PAGE: blind.blind()}).items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    print(save(chart(rows), folder / paper_page.PICTURE))
    print(headline.draw())
    house.PICTURE.write_text(house.picture(), encoding="utf-8")
    print(house.PICTURE)
    memory.PAGE.write_text(memory.filled(memory.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(memory.PAGE)
    for page in FILLED:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(page)
