"""`headstart strategy`: a strategy, tried on a small cloud and two phones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import console, frame
from sim.experiment.reading import Tree, parse_override
from sim.experiment.shipped import QUICKSTART

strategy = typer.Typer(help="A strategy of one's own, tried in seconds.", no_args_is_help=True)
FORMATS = {"seconds": ",.2f", "joules": ",.1f", "MB down": ",.2f", "MB up": ",.2f"}


@strategy.callback()
def _strategy() -> None:
    """A strategy of one's own, tried in seconds."""


@strategy.command("check")
def check_strategy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a name, or an import path module:Class")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE ...]", help="options.SETTING=VALUE of this strategy, or keys of the config"),
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", metavar="CONFIG", help="whose phones, LLMs that are billed and options")
    ] = QUICKSTART,
    each: Annotated[bool, typer.Option("--each", help="list every request by itself, in order")] = False,
) -> None:
    """Call all hooks of a strategy on a small cloud and two phones, without a run: in seconds.

    It is asked for its offer and for the choices of two users of CONFIG, one with all texts and one with the fewest
    that a phone has (on the ladder, if CONFIG has one). Every request is checked as in a run and answered by the
    built-in LLM, for its first few texts, from pLLMs that were never trained: what it chooses means nothing, what it
    asks for and what that would cost the phone does. What is wrong is said in one line, with the line of your code.
    Every run does the same before it builds anything.

    A module of your own is found in the current folder, and on PYTHONPATH.

    Examples:

        headstart strategy check xpert

        headstart strategy check exhaustive options.texts=8 population.phones=oneplus-12r --each

        headstart strategy check shortlist:Shortlist options.most=5 --config configs/headline.toml
    """
    from sim.cloud.check import prepare
    from sim.experiment.config import Config
    from sim.rehearsal.told import tell

    settings, values = _settings(overrides or [])
    plain = Config.changed(config, values)
    options = {**plain.options, **({name: {**plain.options.get(name, {}), **settings}} if settings else {})}
    changed = {"strategies": [name], "replicates": 1, "options": options}
    told = tell(name, prepare(Config.of({**plain.model_dump(), **changed}).anchored(Path.cwd())), each)
    if not told.table.empty:
        console.print(frame(told.table, FORMATS), highlight=False)
    for sentence in told.sentences:
        console.print(sentence, highlight=False, markup=False)


def _settings(overrides: Sequence[str]) -> tuple[Tree, list[tuple[str, object]]]:
    """What `options.SETTING=VALUE` says of the strategy itself, and all other keys of the config with their values."""
    settings: Tree = {}
    values: list[tuple[str, object]] = []
    for key, value in map(parse_override, overrides):
        section, _, setting = key.partition(".")
        if section == "options" and setting and "." not in setting and not isinstance(value, dict):
            settings[setting] = value
        else:
            values.append((key, value))
    return settings, values
