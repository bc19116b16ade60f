"""What the package is built of, apart from what pyproject.toml says."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Configs(BuildHookInterface):  # type: ignore[type-arg]
    """`configs/` goes into a wheel, to where a package without a clone looks for it (`sim/experiment/shipped.py`)."""

    def initialize(self, version: str, build_data: dict[str, dict[str, str]]) -> None:
        """Called by hatchling. An editable install has the clone's own."""
        if version == "standard":
            build_data["force_include"]["configs"] = "sim/experiment/configs"
