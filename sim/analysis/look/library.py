"""The library that draws a page's charts, as JavaScript to embed: Vega-Lite with Vega and vega-embed, from vl-convert.

Of the three that need no network it is the smallest by far: 0.90 MB, against 1.27 MB for Bokeh (1.95 MB with its tables
and widgets) and 4.82 MB for Plotly. It needs a few seconds to be bundled, so it is kept in the cache.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sim.common.cache import built, cache_dir, digest
from sim.common.errors import UserError

PACKAGE = "vl-convert-python"
MISSING = f"Pictures stand in for interactive charts, which need the package {PACKAGE}: pip install '{PACKAGE}>=1.8,<2'"
"""What a page says that has to do without."""
_FILE, _ENTRY = "vega.js", "window.vegaEmbed = vegaEmbed;"


@cache
def library() -> str:
    """The bundle; "" where the package is not installed."""
    try:
        made_by = version(PACKAGE)
        from vl_convert import javascript_bundle
    except (ImportError, PackageNotFoundError):
        return ""

    def build(folder: Path) -> None:
        (folder / _FILE).write_text(javascript_bundle(_ENTRY), encoding="utf-8")

    name = digest({"package": PACKAGE, "version": made_by, "entry": _ENTRY})
    try:
        return (built(cache_dir() / f"charts-{name}", build) / _FILE).read_text(encoding="utf-8")
    except (UserError, OSError):  # a cache that cannot be written costs seconds, not the report
        return str(javascript_bundle(_ENTRY))
