"""`headstart pocket`: the built-in small LLMs, made for a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import console, say_path
from sim.common.disk import writing

pocket = typer.Typer(help="The built-in small LLMs.", no_args_is_help=True)


@pocket.command("build")
def build_pocket(
    folder: Annotated[Path, typer.Argument(help="where `base` and `summarizer` go")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, e.g. population.users=1000")] = None,
    quick: Annotated[bool, typer.Option(help="the short recipe, as for corpora in files")] = False,
) -> None:
    """Build pocket LLM and summarizer for a corpus with the seeded recipe.

    Example:

        headstart pocket build /tmp/pocket corpus.source=xpert corpus.path=/data/xpert
    """
    from sim.corpus import open_corpus
    from sim.display import shown
    from sim.experiment.config import Config
    from sim.pocket.recipe import build, estimate_s
    from sim.pocket.settings import QUICK, Recipe

    corpus = open_corpus(Config.load(None, overrides or []).corpus)
    recipe = QUICK if quick else Recipe()
    console.print(f"about {estimate_s(corpus, recipe) / 60:.0f} minutes on this machine")
    with shown(console) as watcher, writing(folder):
        build(corpus, folder, recipe, watcher.building)
    say_path(folder)
