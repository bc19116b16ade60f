"""What the commands of `headstart devices` share: their group, and one line for what the library refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sim.common.disk import filling, no_space
from sim.common.errors import UserError

devices = typer.Typer(help="Phones: figures, costs, and how far the cost model can be believed.", no_args_is_help=True)

Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="also draw a picture: .png, .pdf or .svg")]
PhoneFile = Annotated[Path | None, typer.Option(metavar="CSV", help="phones of your own, by their id")]


@contextmanager
def one_line(written: Path | None = None) -> Iterator[None]:
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


def check_picture(path: Path | None) -> None:
    """Refuse a picture of an unknown kind before the work rather than after it."""
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--plot {str(path)!r}: the name must end in .png, .pdf or .svg.")


def check_files(**files: Path | None) -> None:
    """Refuse a file that is not there; each by the name of its option."""
    for name, path in files.items():
        if path is not None and not path.is_file():
            raise UserError(f"--{name.replace('_', '-')} {str(path)!r}: no such file.")
