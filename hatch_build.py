"""What the package is built of, apart from what pyproject.toml says."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Configs(BuildHookInterface):  # type: ignore[type-arg]
    """`configs/` goes into a wheel, to where a package without a clone looks for it (`sim/experiment/shipped.py`)."""

    def initialize(self, version: str, build_data: dict[str, dict[str, str]]) -> None:
        """Called by hatchling. An editable install has the clone's own."""
        if version == "standard":
            build_data["force_include"]["configs"] = "sim/experiment/configs"


class Requirements(MetadataHookInterface):
    """Dependencies are read from requirements.txt, which a Flower App Bundle has not.

    `flwr run` packs this folder's pyproject.toml into a bundle and, unless it is told not to, makes a new environment
    of what stands there for every run: PyTorch with CUDA and all else, gigabytes. An App's code comes from the
    installed package, whose dependencies are there already, so in a bundle there are none.
    """

    def update(self, metadata: dict[str, object]) -> None:
        """Called by hatchling with the table [project]."""
        file = Path(self.root) / "requirements.txt"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        found = [line.partition("#")[0].strip() for line in lines]
        metadata["dependencies"] = [line for line in found if line]
