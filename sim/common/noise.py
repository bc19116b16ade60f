"""What other libraries would print, and send elsewhere, unless whoever starts a run wants it."""

from __future__ import annotations

import logging
import os
import sys
import warnings

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
}
"""Read by Flower, Ray, Hugging Face and torch when they are imported or start; what is set already stays."""
LOUD = ("flwr", "ray", "transformers", "datasets", "huggingface_hub", "sentence_transformers", "matplotlib", "filelock")
"""Whose loggers say below an error what nobody who runs an experiment can act on."""


def set_quiet() -> None:
    """Set the variables of `QUIET` for this process and those that it starts."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def hush() -> None:
    """Of a whole program: only errors of other libraries are printed, and no warnings unless `python -W` asks for them.

    What Headstart itself warns of goes through its own logger, and is printed.
    """
    set_quiet()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
