"""`headstart devices`: the phones, what an LLM costs on them, and how far that can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from devices.basics import UnknownName
from sim.commands.terminal import console, frame, say_path
from sim.errors import UserError

devices = typer.Typer(help="Phones: figures, costs, and how far the cost model can be believed.", no_args_is_help=True)

Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="also draw a picture: .png, .pdf or .svg")]


@contextmanager
def _one_line() -> Iterator[None]:
    """Unknown phones and files that cannot be written are the user's to mend."""
    try:
        yield
    except UnknownName as error:
        raise UserError(f"devices: {error}.") from None
    except OSError as error:
        raise UserError(f"devices: cannot write {error.filename!r}: {error.strerror}.") from None


def _check_picture(path: Path | None) -> None:
    """Refuse a picture of an unknown kind before the work rather than after it."""
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--plot {str(path)!r}: the name must end in .png, .pdf or .svg.")


@devices.command("list")
def list_phones(
    tier: Annotated[str, typer.Option(help="only this tier: entry, low-mid, mid, flagship")] = "",
    plot: Plot = None,
) -> None:
    """List every phone with the figures that decide its cost; `filled` names those without a source.

    `--plot` draws the hours of one personalisation by phone and LLM.

    Examples:

        headstart devices list --tier flagship

        headstart devices list --plot costs.png
    """
    from devices.phones import TIERS
    from devices.tables import cost_table, phones_table

    _check_picture(plot)
    table = phones_table()
    if tier:
        if tier not in TIERS:
            raise UserError(f"--tier {tier!r}: allowed are {', '.join(TIERS)}.")
        table = table[table.tier == tier]
    console.print(frame(table.drop(columns="name"), {"cpu_gflops": ".0f", "battery_wh": ".1f"}), highlight=False)
    if plot is not None:
        from devices.draw import draw_costs

        with _one_line():
            say_path(draw_costs(plot, cost_table(list(table.phone_id))))


@devices.command()
def show(phone: Annotated[str, typer.Argument(metavar="PHONE", help="an id or a name")]) -> None:
    """Show all that is known of one phone: figures, sources, and the cost of one personalisation by LLM.

    Examples:

        headstart devices show oneplus-12r

        headstart devices show "Google Pixel 7"
    """
    from devices.tables import show_phone

    with _one_line():
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

    _check_picture(plot)
    if len(phones) < 2:
        raise UserError(f"devices compare: two phones or more are expected, not only {phones[0]!r}.")
    with _one_line():
        table = compare_phones(phones)
        figures = table.rename_axis("").reset_index()
        console.print(frame(figures, {str(name): "g" for name in figures}), highlight=False)
        if plot is not None:
            from devices.draw import draw_costs

            say_path(draw_costs(plot, cost_table(phones)))


@devices.command()
def validate(plot: Plot = None) -> None:
    """Print every usable measurement beside the model's figure, and the errors on phones that were held out.

    `predicted` comes from constants fitted without that phone where `held_out` says yes. `--plot` draws predicted
    against published.

    Examples:

        headstart devices validate

        headstart devices validate --plot validation.png
    """
    from devices.validate import summary, validate, xpert_table

    _check_picture(plot)
    rows = validate()
    shown = rows[["operation", "backend", "device", "llm", "precision", "paper", "published", "unit", "predicted"]]
    shown = shown.assign(ratio=rows.ratio, held_out=rows.held_out)
    console.print(frame(shown, {"published": ".4g", "predicted": ".4g", "ratio": ".2f"}), highlight=False)
    shares = dict.fromkeys(("held_out_phones", "each_phone_once", "held_out_papers", "fitted", "within_2x"), ".0%")
    console.print(frame(summary(rows), shares, "Median absolute errors"), highlight=False)
    beside = "XPerT's published costs (OnePlus 12R, 16 GB) beside the model's, with its 5 to 95 % range"
    console.print(frame(xpert_table(), {"ratio": ".2f"}, beside), highlight=False)
    if plot is not None:
        from devices.draw import draw_validation

        with _one_line():
            say_path(draw_validation(plot, rows))


@devices.command()
def calibrate(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where the constants go; default: the file that bills use")
    ] = None,
) -> None:
    """Fit the free constants of the cost model to all measurements again and write them with the data's hash.

    Examples:

        headstart devices calibrate --output /tmp/calibration.json

        headstart devices calibrate
    """
    import pandas as pd

    from devices.calibrate import calibrate
    from devices.constants import CALIBRATION, calibrated

    before = calibrated()
    path = output or Path(CALIBRATION)
    with _one_line():
        result = calibrate(path)
    rows = [
        {"constant": name, "now": before[name], "fitted": entry["value"]}
        | {key: entry[key] for key in ("unit", "log_sd", "rows", "phones")}
        for name, entry in result["constants"].items()
    ]
    console.print(frame(pd.DataFrame(rows), {"now": ".4g", "fitted": ".4g"}), highlight=False)
    console.print(f"data {result['data_sha256'][:16]}, {result['date']}", highlight=False)
    say_path(path)
