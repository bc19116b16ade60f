"""`headstart devices validate` and `calibrate`: how far the cost model can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.devices.group import PhoneFile, Plot, check_files, check_picture, devices, one_line
from sim.commands.terminal import console, frame, say_path
from sim.common.errors import UserError


@devices.command()
def validate(
    plot: Plot = None,
    measurements: Annotated[
        Path | None, typer.Option(metavar="CSV", help="predict these instead, of which nothing was fitted")
    ] = None,
    phone_file: PhoneFile = None,
) -> None:
    """Print every usable measurement beside the model's figure, and the errors on phones that were held out.

    `predicted` comes from constants fitted without that phone where `held_out` says yes. `--plot` draws predicted
    against published, and the error of each phone. `--measurements` predicts figures that you measured or found, with
    the constants as they are; its columns are in docs/devices.md.

    Examples:

        headstart devices validate

        headstart devices validate --plot validation.png

        headstart devices validate --measurements mine.csv --phone-file my-phones.csv
    """
    from devices.validate import by_phone, summary, validate, xpert_table

    check_picture(plot)
    if measurements is not None:
        if plot is not None:
            raise UserError("--plot draws the built-in measurements; leave it out beside --measurements.")
        return _validate_own(measurements, phone_file)
    if phone_file is not None:
        raise UserError("--phone-file goes with --measurements.")
    rows = validate()
    shown = rows[["operation", "backend", "device", "llm", "precision", "paper", "published", "unit", "predicted"]]
    shown = shown.assign(ratio=rows.ratio, held_out=rows.held_out)
    console.print(frame(shown, {"published": ".4g", "predicted": ".4g", "ratio": ".2f"}), highlight=False)
    shares = dict.fromkeys(("held_out_phones", "each_phone_once", "held_out_papers", "fitted", "within_2x"), ".0%")
    console.print(frame(by_phone(rows), {"ratio": ".2f"}, "Median ratio by source and phone"), highlight=False)
    console.print(frame(summary(rows), shares, "Median absolute errors"), highlight=False)
    beside = "XPerT's published costs (OnePlus 12R, 16 GB) beside the model's, with its 5 to 95 % range"
    console.print(frame(xpert_table(), {"ratio": ".2f"}, beside), highlight=False)
    if plot is not None:
        from devices.plots import plot_validation

        with one_line(plot):
            say_path(plot_validation(plot, rows))


def _validate_own(path: Path, phone_file: Path | None) -> None:
    from devices import phones, read_phones
    from devices.own_measurements import summary, validate_own

    check_files(measurements=path, phone_file=phone_file)
    with one_line():
        own = validate_own(path, {**phones(), **read_phones(phone_file)} if phone_file else None)
    shown = own.rows[["operation", "backend", "device", "llm", "precision", "paper", "published", "predicted", "ratio"]]
    console.print(frame(shown, {"published": ".4g", "predicted": ".4g", "ratio": ".2f"}), highlight=False)
    shares = dict.fromkeys(("median_error", "each_phone_once", "within_2x"), ".0%")
    console.print(frame(summary(own.rows), {"ratio": ".2f", **shares}, "Median ratios and errors"), highlight=False)
    for sentence in own.sentences():
        console.print(sentence, highlight=False, soft_wrap=True)


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
    with one_line(path):
        result = calibrate(path)
    rows = [
        {
            "constant": name, "now": before[name], "fitted": fitted["value"], "unit": fitted["unit"],
            "log_sd": fitted["log_sd"], "rows": fitted["rows"], "phones": fitted["phones"],
        }
        for name, fitted in result["constants"].items()
    ]  # fmt: skip
    console.print(frame(pd.DataFrame(rows), {"now": ".4g", "fitted": ".4g"}), highlight=False)
    console.print(f"data {result['data_sha256'][:16]}, {result['date']}", highlight=False)
    say_path(path)
