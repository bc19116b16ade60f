"""Headstart from Python: run, sweep, load what they left, and write a strategy. Nothing here is only here."""

import strategies
from headstart.loaded import Explanation, Run, Sweep, load
from headstart.started import plan, run, sweep
from sim.common.errors import RunFailed, UserError
from sim.experiment.config import Config
from strategies import *  # noqa: F403 (all that a strategy needs, listed there)

__all__ = ["Config", "Explanation", "Run", "RunFailed", "Sweep", "UserError", "load", "plan", "run", "sweep"]
__all__ += strategies.__all__
