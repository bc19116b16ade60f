"""The noise is what Google's accountant asks for."""

from __future__ import annotations

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.sections import Privacy
from sim.privacy import accountant
from sim.privacy.accountant import noise_multiplier, noise_of

dp = pytest.importorskip("dp_accounting")


@pytest.mark.parametrize("epsilon", [8.0, 2.0, 0.5])
@pytest.mark.parametrize(("sampling", "steps"), [(1.0, 10), (0.25, 40)])
def test_the_library_says_that_the_promise_is_kept(epsilon: float, sampling: float, steps: int) -> None:
    """By the same way of accounting to a hundredth, with orders of the library's own; by the tighter one as well."""
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    noise = noise_multiplier(epsilon, 1e-5, sampling, steps)

    def spent(kind: object, multiplier: float) -> float:
        event = dp.PoissonSampledDpEvent(sampling, dp.GaussianDpEvent(multiplier))
        return float(kind().compose(event, steps).get_epsilon(1e-5))  # type: ignore[operator]

    assert spent(RdpAccountant, noise) == pytest.approx(epsilon, rel=0.01)
    assert 0.75 * epsilon < spent(PLDAccountant, noise) <= epsilon
    assert spent(PLDAccountant, 0.8 * noise) > epsilon  # and there is not much more noise than needed


def test_a_section_is_accounted_for_as_it_says() -> None:
    privacy = Privacy(epsilon=2, delta=1e-4, sampling=0.5, steps=7)
    assert noise_of(privacy) == noise_multiplier(2, 1e-4, 0.5, 7)
    assert noise_of(privacy) < noise_of(privacy.model_copy(update={"delta": 1e-6}))


def test_a_run_without_the_library_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.load(None, ["privacy.epsilon=2", "waves.count=2"])
    monkeypatch.setattr(accountant, "PACKAGE", "no_such_package")
    with pytest.raises(UserError) as error:
        prepare(config)
    assert str(error.value) == "privacy.epsilon = 2: not installed: dp-accounting; pip install -e '.[privacy]'"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["privacy.epsilon=2"], "privacy.epsilon = 2.0: with waves.count = 1 nobody uploads anything."),
        (["privacy.attack=true"], "privacy.attack = True: with waves.count = 1 nobody uploads anything."),
        (
            ["privacy.epsilon=2", "waves.count=2", "privacy.delta=0.05", "population.texts=20"],
            "privacy.delta = 0.05: below 1 / population.texts = 0.05 is expected; who tells one text of so many is as "
            "private.",
        ),
        (["privacy.sampling=0"], "privacy.sampling = 0: input should be greater than 0."),
        (["privacy.epsilon=-1"], "privacy.epsilon = -1: input should be greater than or equal to 0."),
        (["privacy.epsilom=1"], "privacy.epsilom: unknown key. Did you mean 'epsilon'?"),
    ],
)
def test_what_is_no_privacy_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        Config.load(None, overrides)
    assert str(error.value) == said


def test_runs_without_privacy_keep_their_names() -> None:
    plain = Config()
    assert plain.digest() == Config.load(None, ["privacy.epsilon=0", "privacy.delta=1e-5"]).digest()
    living = Config.load(None, ["waves.count=2"])
    assert living.digest() != Config.load(None, ["waves.count=2", "privacy.attack=true"]).digest()
