"""How much noise a promise of differential privacy takes, by Google's accountant (`dp-accounting`)."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

from sim.experiment.sections import Privacy

PACKAGE = "dp_accounting"
ORDERS = (*(1 + n / 10 for n in range(10, 100)), *range(11, 65), 128, 256, 512, 1024)
"""Orders of Renyi divergence that are tried. Those below 2 are left out: they do not converge for small samples."""


def missing() -> str:
    """Why noise cannot be accounted for here, in one line; empty where it can."""
    return "" if find_spec(PACKAGE) else "not installed: dp-accounting; pip install -e '.[privacy]'"


@lru_cache(maxsize=16)
def noise_multiplier(epsilon: float, delta: float, sampling: float, steps: int) -> float:
    """The least standard deviation of noise, in units of the clipping norm, with which so many steps of DP-SGD are
    (epsilon, delta)-private for each text.

    By Renyi differential privacy (Mironov 2017, the moments accountant of Abadi et al. 2016), an upper bound.

    Args:
        sampling: the chance of each text to be in a step, apart from all others (Poisson).
    """
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    def of(noise: float) -> dp_accounting.DpEvent:
        step = dp_accounting.PoissonSampledDpEvent(sampling, dp_accounting.GaussianDpEvent(noise))
        return dp_accounting.SelfComposedDpEvent(step, steps)

    return float(dp_accounting.calibrate_dp_mechanism(lambda: RdpAccountant(ORDERS), of, epsilon, delta))


def noise_of(privacy: Privacy) -> float:
    """The noise multiplier that a `[privacy]` section asks for."""
    return noise_multiplier(privacy.epsilon, privacy.delta, privacy.sampling, privacy.steps)
