"""What README.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docs.make.summaries import REFERENCE, read_summary
from sim.analysis.rules import ANY
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.benchmarks.page import gains, load
from tests.benchmarks.workload import POCKET
from tests.docs.counted import minutes


def said() -> Iterator[str]:
    users = load_run(REFERENCE / "quickstart").users
    streamed = users[users["strategy"] == "xpert"]["fits"].ne("yes").sum()
    yield f"({streamed} of {users['user_id'].nunique()} in the quickstart)"

    mean = float(read_summary("quickstart").loc[("scratch", "steps_to_target", ANY), "mean"])
    scratch = Config().billing.scratch_steps
    yield f"x {scratch:,} /"
    yield f"in the quickstart that mean is {mean:.1f}, so one measured step is billed as {scratch / mean:.1f}"
    parameters = json.loads((REFERENCE / "quickstart" / "manifest.json").read_text(encoding="utf-8"))["llm"][
        "parameters"
    ]
    yield f"({parameters / 1e6:.1f} million parameters each)"
    yield f"takes eight users {minutes('real_llm')} minutes on two cores"
    over = gains(load()[0]["race"]).loc[POCKET]
    assert (round(over.a), round(over.b)) == (11, 13)
    yield "an eleventh of the time of FlowerTune's pattern and a thirteenth of that of a loop over PEFT adapters"
    yield f"of {Config().billing.tokens_per_step} tokens each"
    yield f"plus {100 * Config().training.target_tolerance:g} %"
