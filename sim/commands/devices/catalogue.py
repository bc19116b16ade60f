"""`headstart devices list`, `show` and `compare`: the phones."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.commands.devices.group import Plot, check_picture, devices, one_line
from sim.commands.terminal import console, frame, say_path
from sim.common.errors import UserError


@devices.command("list")
def list_phones(
    tier: Annotated[str, typer.Option(help="only this tier: entry, low-mid, mid, flagship")] = "",
    llms: Annotated[bool, typer.Option("--llms", help="list the LLMs that can be named instead")] = False,
    plot: Plot = None,
) -> None:
    """List every phone with the figures that decide its cost; `filled` names those without a source.

    `--plot` draws the hours of one personalisation by phone and LLM; of more than 40 phones by tier and year.

    Examples:

        headstart devices list --tier flagship

        headstart devices list --llms

        headstart devices list --plot costs.png
    """
    from devices.phones import TIERS
    from devices.tables import cost_table, llms_table, phones_table

    if llms:
        return console.print(frame(llms_table()), highlight=False)

    check_picture(plot)
    table = phones_table()
    if tier:
        if tier not in TIERS:
            raise UserError(f"--tier {tier!r}: allowed are {', '.join(TIERS)}.")
        table = table[table.tier == tier]
    console.print(frame(table.drop(columns="name"), {"cpu_gflops": ".0f", "battery_wh": ".1f"}), highlight=False)
    if plot is not None:
        from devices.plots import plot_costs

        with one_line(plot):
            say_path(plot_costs(plot, cost_table(list(table.phone_id))))


@devices.command()
def show(phone: Annotated[str, typer.Argument(metavar="PHONE", help="an id or a name")]) -> None:
    """Show all that is known of one phone: figures, sources, and the cost of one personalisation by LLM.

    Examples:

        headstart devices show oneplus-12r

        headstart devices show "Google Pixel 7"
    """
    from devices.tables import show_phone

    with one_line():
        console.print(show_phone(phone), highlight=False, markup=False, soft_wrap=True)


@devices.command()
def compare(
    phones: Annotated[list[str], typer.Argument(metavar="PHONE PHONE ...", help="two phones or more")],
    plot: Plot = None,
) -> None:
    """Put phones side by side: figures, and minutes of one personalisation by LLM (blank: it does not fit).

    Examples:

        headstart devices compare oneplus-12r google-pixel-7

        headstart devices compare oneplus-12r google-pixel-7 --plot costs.png
    """
    from devices.tables import compare_phones, cost_table

    check_picture(plot)
    if len(phones) < 2:
        raise UserError(f"devices compare: two phones or more are expected, not only {phones[0]!r}.")
    with one_line(plot):
        table = compare_phones(phones)
        figures = table.rename_axis("").reset_index()
        console.print(frame(figures, {str(name): "g" for name in figures}), highlight=False)
        if plot is not None:
            from devices.plots import plot_costs

            say_path(plot_costs(plot, cost_table(phones)))
