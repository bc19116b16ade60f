"""`headstart corpus`: what a corpus holds, beside what a config takes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import console, frame, split_arguments

corpus = typer.Typer(
    help="Texts: what there is of each style, and how much of it a config can use.", no_args_is_help=True
)
FORMATS = {"tokens": ".0f", "95 %": ".0f", "cut": ".0%"}
SHOWN = 40
"""Styles that a table has unless all are asked for."""


@corpus.callback()
def _corpus() -> None:
    """Texts: what there is of each style, and how much of it a config can use."""


@corpus.command("check")
def check_corpus(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]", help="a TOML file, then overrides")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help=f"list every style, not only the first {SHOWN}")] = False,
) -> None:
    """Read a config's corpus and say what is in it, what is dropped and why, and the largest settings that work.

    Columns: rows of the style; texts for pLLMs, for users and held out, which are disjoint by prompt; rows that are
    dropped; tokens of a text, prompt and answer, in half and in 95 % of them; and the share that training.max_tokens
    cuts. Below it: what was dropped and why, what is there twice, what is cut, and for each setting the largest value
    with which there are enough texts, with the style that binds. Where the config wants more than there is, the exit
    status is 2, as a run's would be. Nothing is built.

    Examples:

        headstart corpus check corpus.source=jsonl corpus.path=mine.jsonl corpus.default=plain

        headstart corpus check configs/real_text.toml

        headstart corpus check configs/xpert_data.toml corpus.path=/data/xpert training.max_tokens=256 --all
    """
    from sim.cloud.enough import check_texts
    from sim.experiment.config import Config
    from sim.survey.survey import survey

    path, overrides = split_arguments(arguments or [])
    found = survey(Config.load(path, overrides).anchored(Path.cwd()))
    table = found.table if every else found.table[:SHOWN]
    console.print(f"{found.corpus.source}: {len(found.table)} styles (*: the default)", highlight=False, soft_wrap=True)
    console.print(frame(table, FORMATS), highlight=False)
    if len(table) < len(found.table):
        console.print(f"and {len(found.table) - len(table)} more styles; --all lists them", highlight=False)
    for sentence in found.sentences():
        console.print(sentence, highlight=False, markup=False)
    check_texts(found.config, found.corpus, found.user_styles)
