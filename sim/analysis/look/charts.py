"""The interactive charts of a page, as Vega-Lite: each draws the rows that the page's script counts.

Colours are named as CSS names them, so that a chart follows the page into the dark and onto paper. A strategy is told
by its place, its marker or its line as well as by its colour: charts survive being printed in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb, rgb_to_hls

from sim.analysis.look.crowd import BIN, LOWEST
from sim.analysis.look.figures import Look

Spec = dict[str, object]
"""A chart, or a part of one, as Vega-Lite has it."""

INK, SOFT, LINE, BLUE = "var(--ink)", "var(--soft)", "var(--line)", "var(--blue)"
_FONT = "system-ui, 'DejaVu Sans', sans-serif"
_SHAPES = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross",
    "<": "triangle-left", "X": "M-.5,-.5L.5,.5M-.5,.5L.5,-.5", "p": "M0,-.5L.5,-.1L.3,.45L-.3,.45L-.5,-.1Z",
    ">": "triangle-right", "h": "M-.25,-.45L.25,-.45L.5,0L.25,.45L-.25,.45L-.5,0Z",
    "*": "M0,-.55L.13,-.17L.52,-.17L.2,.07L.32,.45L0,.22L-.32,.45L-.2,.07L-.52,-.17L-.13,-.17Z",
}  # fmt: skip
"""Vega's symbols for matplotlib's markers."""

CONFIG: Spec = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "domainColor": SOFT, "tickColor": SOFT, "gridColor": LINE, "labelColor": INK, "titleColor": INK,
        "labelFontSize": 11.5, "titleFontSize": 11.5, "titleFontWeight": "normal", "labelLimit": 205,
    },
    "legend": {"labelColor": INK, "labelFontSize": 11.5, "labelLimit": 190, "title": None, "orient": "bottom",
               "columns": 4, "symbolSize": 70, "symbolStrokeWidth": 2, "symbolOpacity": 1,
               "symbolFillColor": "transparent"},
    "text": {"color": INK, "fontSize": 11},
    "rule": {"color": INK},
}  # fmt: skip


def strategy_variables(looks: Mapping[str, Look]) -> tuple[dict[str, str], dict[str, str]]:
    """CSS variables with the strategies' colours, by day and by night."""
    light = {f"--s{place}": look.colour for place, look in enumerate(looks.values())}
    return light, {name: _lit(colour) for name, colour in light.items()}


def charts(looks: Mapping[str, Look]) -> dict[str, Spec]:
    """Every chart by its name, for strategies that look so, in that order."""
    names = list(looks)
    return {
        "savings": _savings(),
        "tiers": _tiers(names, looks),
        "styles": _styles(names),
        "spread": _spread(),
        "curves": _curves(names, looks),
    }


def _chart(*layers: Mapping[str, object], height: object, **more: object) -> Spec:
    return {
        "data": {"name": "rows", "values": []},
        "width": "container",
        "height": height,
        "layer": list(layers),
        "config": CONFIG,
        **more,
    }


def _hover(**fields: str) -> list[Spec]:
    """What is shown of a row under the mouse: titles by field. Every field is text already."""
    return [{"field": field, "title": title, "type": "nominal"} for field, title in fields.items()]


_SAID = _hover(strategy="strategy", said="mean", interval="95 % interval", users="users")
_ZERO: Spec = {"mark": {"type": "rule", "color": SOFT}, "encoding": {"x": {"datum": 0}}}


def _strategies(axis: Spec | None = None) -> Spec:
    """Strategies from top to bottom, in the order of the rows."""
    return {"field": "strategy", "type": "nominal", "sort": None, "title": None, "axis": axis or {"ticks": False}}


def _savings() -> Spec:
    x: Spec = {"field": "shown", "type": "quantitative", "title": "saved against scratch (%), mean over users"}
    bar = {
        "mark": {"type": "bar", "color": BLUE, "fillOpacity": 0.55, "height": {"band": 0.62}},
        "encoding": {"x": x, "tooltip": _SAID},
    }
    rule = {
        "mark": {"type": "rule", "strokeWidth": 1.4},
        "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "tooltip": _SAID},
    }
    text = {
        "mark": {"type": "text", "align": "left", "dx": 5},
        "encoding": {"x": x | {"field": "end"}, "text": {"field": "said", "type": "nominal"}},
    }
    return _chart(bar, rule, text, _ZERO, height={"step": 27}, encoding={"y": _strategies()})


def _tiers(names: Sequence[str], looks: Mapping[str, Look]) -> Spec:
    tooltip = [*_hover(tier="tier"), *_SAID]
    x: Spec = {"field": "shown", "type": "quantitative", "title": "saved against scratch (%), mean over users"}
    place: Spec = {"field": "tier", "type": "nominal", "sort": None, "title": "tier of the phone",
                   "axis": {"ticks": False, "grid": True, "tickBand": "extent"}}  # fmt: skip
    beside: Spec = {"field": "strategy", "sort": None}
    colour = _scale(names, [f"var(--s{i})" for i in range(len(names))])
    rule = {
        "mark": {"type": "rule", "strokeWidth": 1.4},
        "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "color": colour, "tooltip": tooltip},
    }
    point = {
        "mark": {"type": "point", "filled": False, "opacity": 1, "size": 70, "strokeWidth": 2},
        "encoding": {"x": x, "color": colour, "shape": _shapes(names, looks), "tooltip": tooltip},
    }
    return _chart(
        rule, point, _ZERO, height={"step": 14, "for": "offset"}, encoding={"y": place, "yOffset": beside}
    )  # fmt: skip


def _styles(names: Sequence[str]) -> Spec:
    tooltip = _hover(style="style", strategy="strategy", said="right pLLM", interval="95 % interval", users="users")
    axis: Spec = {"ticks": False, "labelFontSize": 10}
    y: Spec = {"field": "style", "type": "nominal", "sort": None, "title": None, "axis": axis}
    x: Spec = {
        "field": "strategy", "type": "nominal", "sort": list(names), "title": None,
        "axis": {"labelAngle": -90, "orient": "top", "ticks": False},
    }  # fmt: skip
    rect = {
        "mark": {"type": "rect", "color": BLUE, "stroke": LINE},
        "encoding": {
            "fillOpacity": {
                "field": "share", "type": "quantitative", "legend": None,
                "scale": {"domain": [0, 100], "range": [0, 0.6]},
            },
            "tooltip": tooltip,
        },
    }  # fmt: skip
    text = {"mark": {"type": "text", "fontSize": 10.5}, "encoding": {"text": {"field": "whole", "type": "nominal"}}}
    return _chart(rect, text, height={"step": 19}, encoding={"x": x, "y": y})


def _spread() -> Spec:
    tooltip = _hover(strategy="strategy", range="saves", share_said="share", users="users")
    x: Spec = {
        "field": "from", "type": "quantitative", "title": "saved against scratch (%), user by user",
        "scale": {"domain": [LOWEST - BIN, 100], "nice": False},
        "axis": {"values": [-100, -50, 0, 50, 100], "grid": False},
    }  # fmt: skip
    bar = {
        "transform": [{"filter": "isValid(datum.from)"}],
        "mark": {"type": "rect", "color": BLUE},
        "encoding": {
            "x": x,
            "x2": {"field": "to"},
            "fillOpacity": {
                "field": "share", "type": "quantitative", "legend": None,
                "scale": {"type": "sqrt", "domain": [0, 100], "range": [0.04, 1]},
            },
            "tooltip": tooltip,
        },
    }  # fmt: skip
    mean = {
        "transform": [{"filter": "isValid(datum.mean)"}],
        "mark": {"type": "tick", "color": INK, "thickness": 2.5, "height": {"band": 0.95}},
        "encoding": {"x": x | {"field": "mean"}, "tooltip": _hover(strategy="strategy", said="mean", users="users")},
    }
    return _chart(bar, mean, _ZERO, height={"step": 27}, encoding={"y": _strategies({"ticks": False, "grid": False})})


def _curves(names: Sequence[str], looks: Mapping[str, Look]) -> Spec:
    tooltip = _hover(strategy="strategy", at="step", said="mean loss", interval="95 % interval", users="users")
    colour = _scale(names, [f"var(--s{i})" for i in range(len(names))])
    x: Spec = {
        "field": "step",
        "type": "quantitative",
        "title": "step of fine-tuning (measured)",
        "axis": {"grid": False},
    }
    y: Spec = {
        "field": "mean", "type": "quantitative", "title": "held-out loss (nats per token)", "scale": {"zero": False},
    }  # fmt: skip
    band = {
        "mark": {"type": "area", "opacity": 0.15},
        "encoding": {"y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    dash = _scale(names, [_dash(looks[name]) for name in names])
    line = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y, "color": colour, "strokeDash": dash}}
    point = {
        "mark": {"type": "point", "filled": False, "opacity": 1, "size": 35, "strokeWidth": 1.6},
        "encoding": {"y": y, "color": colour, "shape": _shapes(names, looks), "tooltip": tooltip},
    }
    return _chart(band, line, point, height=300, encoding={"x": x})


def _scale(names: Sequence[str], values: Sequence[object]) -> Spec:
    return {"field": "strategy", "type": "nominal", "scale": {"domain": list(names), "range": list(values)}}


def _shapes(names: Sequence[str], looks: Mapping[str, Look]) -> Spec:
    return _scale(names, [_SHAPES[looks[name].marker] for name in names])


def _dash(look: Look) -> list[float]:
    """A line's dashes in pixels; none: a whole line."""
    return [1, 0] if look.line == "-" else [2 * part for part in look.line[1]]


def _lit(colour: str) -> str:
    """A colour as light as a dark ground asks for, of the same hue; black becomes white."""
    hue, lightness, saturation = rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    lightness = 1.0 if lightness < 0.1 else max(lightness, 0.66)
    return "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(hue, lightness, saturation))
