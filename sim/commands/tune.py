"""`headstart tune`: the learning rates of a config, found on users whom no run reports."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import Quiet, console, errors, frame, say_path, split_arguments
from sim.common.errors import UserError

FORMATS = {"rate": "g", "loss": ".4f", "step": ".1f", "at_budget": ".0%"}


def tune(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]", help="a TOML file, then overrides")
    ] = None,
    rates: Annotated[str, typer.Option(metavar="A,B,C", help="learning rates; default: six from 0.0005 to 0.01")] = "",
    users: Annotated[int | None, typer.Option(min=1, help="users it is tried on; default: 24")] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where to write; default: tuned/NAME.toml beside CONFIG")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Find the learning rates of pLLMs, of users from scratch and of users who start from pLLMs.

    Each is the one with the lowest loss on texts that the users (or owners) set aside; they are drawn from a seed of
    their own and are in no run that is reported. A config takes what is written by `tuned = "tuned/NAME.toml"`, a path
    from its own folder; what the config itself states goes before. The last line printed is the file.

    Example:

        headstart tune configs/quickstart.toml
    """
    from pandas import DataFrame

    from sim.display import shown
    from sim.experiment.config import Config
    from sim.tune import RATES, USERS, write
    from sim.tune import tune as do

    path, overrides = split_arguments(arguments or [])
    config = Config.load(path, overrides).anchored(Path.cwd())
    with shown(console, quiet) as watcher:
        tuned = do(config, _numbers(rates) or RATES, users or USERS, watcher)
    for each in tuned:
        if not quiet:
            console.print(frame(DataFrame(map(asdict, each.trials)), FORMATS, f"{each.key} = {each.best.rate:g}"))
        if each.at_an_end:
            errors.print(f"headstart: {each.key}: the best rate is at an end of those tried; name others with --rates")
        if each.best.at_budget > 0.1:
            late = f"{each.best.at_budget:.0%} trained to the end of the budget; more steps might help"
            errors.print(f"headstart: {each.key}: {late}")
    file = to or path.parent / "tuned" / path.name
    write(tuned, file, " ".join(["headstart tune", path.name, *overrides]))
    say_path(file)


def _numbers(text: str) -> list[float]:
    """Distinct learning rates, ascending. Raises UserError."""
    try:
        rates = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        rates = [0.0]
    if any(not 0 < rate < float("inf") for rate in rates):
        raise UserError(f"--rates {text}: numbers above 0 are expected, with commas between them.")
    return rates
