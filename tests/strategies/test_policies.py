"""What becomes of adapters that users gave: by policy, on adapters of which it is known what should."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from strategies.base import Cloud, Contributions, Members, Policy, Start, Tensors
from strategies.deltas import cosines, norms
from strategies.fedavg import averaged
from strategies.federated import Federated
from strategies.policies import Chosen, Freshest, Krum, Medoids, Merge, Reject, medoids

A, B = "layer.lora_A.weight", "layer.lora_B.weight"


def lora(seed: int, scale: float = 1.0) -> Tensors:
    rng = np.random.default_rng(seed)
    return {A: rng.standard_normal((2, 12)), B: scale * rng.standard_normal((10, 2))}


def change(tensors: Tensors) -> np.ndarray:
    return np.asarray(tensors[B]) @ np.asarray(tensors[A])


@dataclass
class Shown:
    """A pool, or contributions, of adapters."""

    adapters: dict[str, Tensors] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.adapters)

    def adapter(self, pllm: str) -> Tensors:
        return self.adapters[pllm]

    def texts(self, pllm: str) -> int:
        return 8

    def chosen(self, pllm: str) -> int:
        return self.starts.get(pllm, 0)

    def start(self, pllm: str) -> Start:
        return Start()


class Asked:
    """A cloud whose pLLMs answer with their names, and embed to where they are."""

    probes = ("one", "two")

    def __init__(self, pool: Shown, where: dict[str, list[float]] | None = None) -> None:
        self.pool, self.where = pool, where or {}

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(9000)

    def ask(self, request: object) -> object:
        if hasattr(request, "start"):
            return [request.start.best] * len(request.prompts)
        return np.array([self.where[answer] for answer in request.prompts])  # type: ignore[attr-defined]


def applied(policy: Policy, cloud: Asked, given: Shown) -> Members:
    members = Members((*cloud.pool.ids, *given.ids))
    return policy.apply(members, cloud, given)  # type: ignore[arg-type]


def test_cosines_are_those_of_the_changes_written_out() -> None:
    some = [lora(seed) for seed in range(4)]
    flat = np.stack([change(each).ravel() for each in some])
    length = np.linalg.norm(flat, axis=1)
    assert np.allclose(norms(some), length)
    assert np.allclose(cosines(some), flat @ flat.T / length[:, None] / length)


def test_what_is_far_longer_or_shorter_is_rejected() -> None:
    given = Shown({f"user-{i}": lora(i) for i in range(8)})
    given.adapters["user-8"], given.adapters["user-9"] = lora(8, 100.0), lora(9, 1e-4)
    found = applied(Reject(), Asked(Shown({"old": lora(20, 1000.0)})), given)
    assert found.pllms == ("old", *(f"user-{i}" for i in range(8)))


def test_krum_drops_a_third_the_farthest_from_all_others() -> None:
    alike = {f"user-{i}": {A: lora(1)[A] + 0.01 * lora(i)[A], B: lora(1)[B]} for i in range(2, 8)}
    given = Shown(
        {**alike, "user-8": {A: lora(1)[A], B: -np.asarray(lora(1)[B])}, "user-9": lora(30), "user-10": lora(31)}
    )
    found = applied(Krum(), Asked(Shown({"old": lora(20)})), given)
    assert found.pllms == ("old", *alike)
    few = Shown({f"user-{i}": lora(i) for i in range(4)})
    assert applied(Krum(), Asked(Shown()), few).pllms == few.ids


def test_krum_is_that_of_changes_written_out() -> None:
    given = Shown({f"user-{i}": lora(i) for i in range(9)})
    flat = np.stack([change(given.adapter(name)).ravel() for name in given.ids])
    apart = np.sort(((flat[:, None] - flat) ** 2).sum(axis=2), axis=1)
    scores = apart[:, 1 : 9 - 3 - 2 + 1].sum(axis=1)  # of the n - f - 2 nearest others
    kept = sorted(np.argsort(scores)[:6])
    assert applied(Krum(), Asked(Shown()), given).pllms == tuple(given.ids[at] for at in kept)


def test_averaged_rivals_ask_the_policies_that_judge_and_no_others() -> None:
    """`federated` averages what is left, without what was blown up; what a pool is to have is no question."""
    honest = {f"user-{i}": lora(i) for i in range(8)}
    given, cloud = Shown({**honest, "user-8": lora(8, 1000.0)}), Asked(Shown())

    def averaged_with(*policies: Policy) -> Tensors:
        members = Federated().receive(cloud, given, policies)  # type: ignore[arg-type]
        assert members.pllms == ()
        return members.made["global-0-1"]

    alone = averaged([honest[name] for name in honest], [8] * 8)
    for policies in ([Reject()], [Medoids(3), Reject(), Freshest(1)]):
        np.testing.assert_allclose(averaged_with(*policies)[B], alone[B], rtol=1e-5, atol=1e-6)
    assert np.abs(averaged_with()[B]).max() > 10 * np.abs(alone[B]).max()
    assert not np.abs(averaged_with(Krum())[B]).max() > 10 * np.abs(alone[B]).max()


def test_duplicates_are_merged_exactly_and_others_left() -> None:
    pool = Shown({"old": lora(1), "other": lora(2)})
    given = Shown({"user-0": lora(1), "user-1": lora(3)})
    found = applied(Merge(), Asked(pool), given)
    assert found.pllms == ("other", "user-1")
    ((name, merged),) = found.made.items()
    assert name.startswith("merged-")
    assert np.allclose(change(merged), change(lora(1)))


def test_the_freshest_and_the_most_chosen_are_kept() -> None:
    pool = Shown({name: lora(0) for name in "abcd"}, {"a": 5, "b": 0, "c": 1, "d": 2})
    given = Shown({"user-0": lora(0), "user-1": lora(0)})
    assert applied(Freshest(3), Asked(pool), given).pllms == ("d", "user-0", "user-1")
    assert applied(Chosen(3), Asked(pool), given).pllms == ("a", "d", "user-1")
    for policy in (Freshest(), Chosen(), Medoids()):
        assert applied(policy, Asked(pool), given).pllms == (*"abcd", "user-0", "user-1")


def test_medoids_keep_one_of_each_cluster() -> None:
    where = {"a": [1.0, 0.0], "b": [1.0, 0.1], "c": [0.0, 1.0], "user-0": [0.1, 1.0], "user-1": [-1.0, -1.0]}
    pool, given = Shown({name: lora(0) for name in "abc"}), Shown({name: lora(0) for name in ("user-0", "user-1")})
    found = applied(Medoids(3), Asked(pool, where), given).pllms
    assert len({*"ab"} & {*found}) == len({"c", "user-0"} & {*found}) == len({"user-1"} & {*found}) == 1
    with pytest.raises(ValueError, match="put it first"):
        Medoids(1).apply(Members((), {"x": lora(0), "y": lora(1)}), Asked(pool, where), given)  # type: ignore[arg-type]


def test_medoids_of_points_that_are_all_the_same_are_few() -> None:
    assert medoids(np.ones((5, 3)), 3)[0] == 0


def test_a_policy_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of docs/living_pool.md."""

    class Own(Policy):
        def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
            return members.only(name for name in members.names if name not in given.ids or given.texts(name) >= 24)

    given = Shown({"user-0": lora(0)})
    assert applied(Own(), Asked(Shown({"a": lora(0)})), given).pllms == ("a",)
