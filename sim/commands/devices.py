"""`headstart devices`: the phones, what an LLM costs on them, and how far that can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sim.commands.terminal import console, frame, say_path
from sim.common.disk import filling, no_space
from sim.common.errors import UserError

if TYPE_CHECKING:
    from devices import Network
    from devices.rates import Ram

devices = typer.Typer(help="Phones: figures, costs, and how far the cost model can be believed.", no_args_is_help=True)

Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="also draw a picture: .png, .pdf or .svg")]


@contextmanager
def _one_line(written: Path | None = None) -> Iterator[None]:
    """Turns what the library refuses (unknown names, a file that cannot be written) into one line for the user."""
    try:
        with filling(written or Path()):
            yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"devices: {error}.") from None
    except OSError as error:
        if no_space(error):
            raise
        raise UserError(f"devices: cannot write {error.filename!r}: {error.strerror}.") from None


def _check_picture(path: Path | None) -> None:
    """Refuse a picture of an unknown kind before the work rather than after it."""
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--plot {str(path)!r}: the name must end in .png, .pdf or .svg.")


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

    _check_picture(plot)
    table = phones_table()
    if tier:
        if tier not in TIERS:
            raise UserError(f"--tier {tier!r}: allowed are {', '.join(TIERS)}.")
        table = table[table.tier == tier]
    console.print(frame(table.drop(columns="name"), {"cpu_gflops": ".0f", "battery_wh": ".1f"}), highlight=False)
    if plot is not None:
        from devices.plots import plot_costs

        with _one_line(plot):
            say_path(plot_costs(plot, cost_table(list(table.phone_id))))


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
    with _one_line(plot):
        table = compare_phones(phones)
        figures = table.rename_axis("").reset_index()
        console.print(frame(figures, {str(name): "g" for name in figures}), highlight=False)
        if plot is not None:
            from devices.plots import plot_costs

            say_path(plot_costs(plot, cost_table(phones)))


@devices.command()
def cost(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="an id or a name")],
    llm: Annotated[
        str, typer.Option(metavar="LLM", help="name, config.json, or a folder that holds one")
    ] = "llama-3.2-1b",
    steps: Annotated[int, typer.Option(min=0, help="LoRA steps; 1000 where nothing else is asked")] = 0,
    tokens_per_step: Annotated[int, typer.Option(min=1, help="tokens of a step, one sequence")] = 98,
    prompt: Annotated[int, typer.Option(min=0, help="tokens that are read (prefill)")] = 0,
    answer: Annotated[int, typer.Option(min=0, help="tokens that are written after them (decode)")] = 0,
    down_mb: Annotated[float, typer.Option(min=0, help="MB to download")] = 0.0,
    up_mb: Annotated[float, typer.Option(min=0, help="MB to upload")] = 0.0,
    precision: Annotated[str, typer.Option(help="weights: fp32, fp16, bf16, int8, int4, ternary")] = "fp16",
    backend: Annotated[str, typer.Option(help="cpu_tuned, cpu_generic, gpu_llamacpp, gpu_mlx")] = "cpu_tuned",
    runtime: Annotated[
        Literal["resident", "mebp"], typer.Option(help="training: the LLM in memory, or layer by layer from flash")
    ] = "resident",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU cores used, the fastest first; default: all")] = None,
    ram: Annotated[str, typer.Option(help="GB, or smallest, or largest of the variants sold")] = "smallest",
    rank: Annotated[int, typer.Option(min=0, help="rank of LoRA; 0: full fine-tuning in fp32")] = 8,
    targets: Annotated[str, typer.Option(help="matrices with an adapter, e.g. all-linear; default: q and v")] = "",
    network: Annotated[str, typer.Option(help="median wifi, 4g, 5g, or DOWN/UP in Mbit/s, e.g. 122/60")] = "wifi",
    screen: Annotated[bool, typer.Option(help="count the screen's power, as benchmarks have it on")] = False,
    phone_file: Annotated[Path | None, typer.Option(metavar="CSV", help="phones of your own, by their id")] = None,
) -> None:
    """Cost any work of any LLM on any phone: seconds, joules, tokens/s, memory, each with its 5 to 95 % range.

    Examples:

        headstart devices cost "OnePlus 12R" --llm llama-3.2-1b --steps 1000 --tokens-per-step 98 --ram 16

        headstart devices cost "Galaxy S23" --llm qwen2.5-1.5b --precision int4 --threads 4 --prompt 512 --answer 128

        headstart devices cost "Pixel 8" --llm my-llm/config.json --prompt 300 --down-mb 25 --network 4g
    """
    from devices import Lora, architecture, find_phone, phones, read_phones
    from devices.bill import Workload, as_shown, bill

    if phone_file is not None and not phone_file.is_file():
        raise UserError(f"--phone-file {str(phone_file)!r}: no such file.")
    with _one_line():
        known = {**phones(), **(read_phones(phone_file) if phone_file else {})}
        found = find_phone(phone, known)
        workload = Workload(
            steps=steps if steps or prompt or answer or down_mb or up_mb else 1000,
            tokens_per_step=tokens_per_step, prompt=prompt, answer=answer, down_mb=down_mb, up_mb=up_mb,
            adapter=Lora(rank, targets.split(",") if targets else None) if rank else None, runtime=runtime,
        )  # fmt: skip
        shape = architecture.llm(llm)
        table = bill(
            found, shape, workload, precision=precision, network=_network(network), backend=backend, threads=threads,
            ram_gb=_ram(ram), screen_on=screen,
        )  # fmt: skip
    title = f"{found.name}, {shape.name} ({shape.parameters / 1e9:.3g} billion weights in {precision}), {backend}"
    console.print(frame(as_shown(table), {"battery": ".2%"}, title), highlight=False)
    for line in filter(None, table.reason[table.phase != "total"]):
        console.print(line, highlight=False, soft_wrap=True)


def _network(given: str) -> Network:
    """The median network of an access type, or one of DOWN/UP Mbit/s."""
    from devices import Network

    down, slash, up = given.partition("/")
    if not slash:
        return Network.median(given)
    try:
        return Network.fixed(float(down), float(up))
    except ValueError:
        raise UserError(f"--network {given!r}: expected wifi, 4g, 5g, or DOWN/UP in Mbit/s such as 122/60.") from None


def _ram(given: str) -> Ram:
    """GB, or which of the variants sold."""
    if given in ("smallest", "largest"):
        return "smallest" if given == "smallest" else "largest"
    try:
        size = float(given)
    except ValueError:
        size = 0.0
    if not 0 < size < 1e6:
        raise UserError(f"--ram {given!r}: expected GB above 0, smallest or largest.")
    return size


@devices.command()
def memory(
    llm: Annotated[str, typer.Option(metavar="LLM,...", help="names, config.json or folders; default: seven")] = "",
    tokens_per_step: Annotated[int, typer.Option(min=1, help="tokens of a step, one sequence")] = 98,
    precision: Annotated[str, typer.Option(help="weights: fp32, fp16, bf16, int8, int4, ternary")] = "fp16,int4",
    rank: Annotated[int, typer.Option(min=1, help="rank of LoRA on all matrices")] = 8,
) -> None:
    """Show the memory of fine-tuning, and the phones that have it, under each runtime.

    `resident` software holds the whole LLM in memory, as PEFT and llama.cpp do; `mebp` works layer by layer from flash.
    Peaks in GB; phones of the catalogue, at the smallest RAM sold; their share of the market mix; and how many times as
    long a step takes as one that recomputes and unpacks nothing.

    Examples:

        headstart devices memory

        headstart devices memory --llm llama-3.2-3b,my-llm/config.json --precision int8 --tokens-per-step 512
    """
    from devices.memory_table import LLMS, memory_table

    llms, precisions = ([part.strip() for part in text.split(",") if part.strip()] for text in (llm, precision))
    with _one_line():
        table = memory_table(llms or LLMS, tokens_per_step=tokens_per_step, precisions=precisions, rank=rank)
    shown = {"gb": ".2f", "phones": ".0f", "market": ".0%", "slowdown": ".1f"}
    formats = {str(name): shown[str(name).rpartition("_")[2]] for name in table.columns[2:]}
    console.print(frame(table, formats), highlight=False)


@devices.command()
def validate(plot: Plot = None) -> None:
    """Print every usable measurement beside the model's figure, and the errors on phones that were held out.

    `predicted` comes from constants fitted without that phone where `held_out` says yes. `--plot` draws predicted
    against published, and the error of each phone.

    Examples:

        headstart devices validate

        headstart devices validate --plot validation.png
    """
    from devices.validate import by_phone, summary, validate, xpert_table

    _check_picture(plot)
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

        with _one_line(plot):
            say_path(plot_validation(plot, rows))


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
    with _one_line(path):
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
