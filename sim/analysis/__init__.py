"""Analysis of a run folder, and of nothing else: savings with intervals, figures, explanations, a report.

run = load_run("results/quickstart/20250101-120000")
summary = summarise(run)
draw_all(run, run.folder / "plots")
print(explain(run, 7).text())
report(run.folder)
"""

from sim.analysis.explain.explanation import Explanation, explain, gallery
from sim.analysis.measures import METRICS, per_user
from sim.analysis.run.plots import draw_all
from sim.analysis.run.report import report
from sim.analysis.summary import compare, summarise, table
from sim.analysis.tables import Run, load_run

__all__ = [
    "METRICS",
    "Explanation",
    "Run",
    "compare",
    "draw_all",
    "explain",
    "gallery",
    "load_run",
    "per_user",
    "report",
    "summarise",
    "table",
]
