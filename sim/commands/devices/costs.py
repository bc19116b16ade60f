"""`headstart devices cost` and `memory`: what an LLM costs on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sim.commands.devices.group import PhoneFile, check_files, devices, one_line
from sim.commands.terminal import console, frame
from sim.common.errors import UserError

if TYPE_CHECKING:
    from devices import Network
    from devices.rates import Ram


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
    phone_file: PhoneFile = None,
) -> None:
    """Cost any work of any LLM on any phone: seconds, joules, tokens/s, memory, each with its 5 to 95 % range.

    Examples:

        headstart devices cost "OnePlus 12R" --llm llama-3.2-1b --steps 1000 --tokens-per-step 98 --ram 16

        headstart devices cost "Galaxy S23" --llm qwen2.5-1.5b --precision int4 --threads 4 --prompt 512 --answer 128

        headstart devices cost "Pixel 8" --llm my-llm/config.json --prompt 300 --down-mb 25 --network 4g
    """
    from devices import Lora, architecture, find_phone, phones, read_phones
    from devices.bill import Workload, as_shown, bill

    check_files(phone_file=phone_file)
    with one_line():
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
    with one_line():
        table = memory_table(llms or LLMS, tokens_per_step=tokens_per_step, precisions=precisions, rank=rank)
    shown = {"gb": ".2f", "phones": ".0f", "market": ".0%", "slowdown": ".1f"}
    formats = {str(name): shown[str(name).rpartition("_")[2]] for name in table.columns[2:]}
    console.print(frame(table, formats), highlight=False)


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
