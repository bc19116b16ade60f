"""What the cloud does with the adapters that users give, before they are offered to others: small rules, one by one."""

import hashlib

import numpy as np

from strategies.average import mean
from strategies.base import Cloud, Contributions, Embed, Generate, Members, Policy, Start
from strategies.deltas import cosines, norms, products


class Reject(Policy):
    """Let none join that changes the LLM far more, or less, than most that were given.

    By the logarithm of its change's length: more than 3.5 robust deviations (of the median absolute one) from the
    median. That ends what diverged or was blown up; who poisons within the usual length is not noticed.
    """

    screens = True

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        names = [name for name in given.ids if name in members.pllms]
        if len(names) < 3:
            return members
        length = norms([given.adapter(name) for name in names])
        log = np.log(np.maximum(length, 1e-12))
        apart = np.abs(log - np.median(log))
        usual = 1.4826 * max(float(np.median(apart)), 1e-3)
        odd = {name for name, far in zip(names, apart, strict=True) if not far <= 3.5 * usual}
        return members.only(name for name in members.names if name not in odd)


class Krum(Policy):
    """Let only those join that have many near ones among what was given: multi-Krum (Blanchard et al., NeurIPS 2017).

    Of n that were given f are taken for an attacker's, a third; an adapter's score is the sum of the squared distances
    between its change of the LLM and those of its n - f - 2 nearest, and the f of the highest scores are dropped. It
    drops as many where nobody attacks, and takes for an attacker who writes as few others do.
    """

    screens = True
    share = 1 / 3

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        names = [name for name in given.ids if name in members.pllms]
        hostile = min(int(self.share * len(names)), (len(names) - 3) // 2)
        if hostile < 1:
            return members
        inner = products([given.adapter(name) for name in names])
        square = np.diag(inner)
        apart = np.sort(square[:, None] + square - 2 * inner, axis=1)[:, 1 : len(names) - hostile - 1]
        far = np.argsort(np.nan_to_num(apart.sum(axis=1), nan=np.inf), kind="stable")[len(names) - hostile :]
        odd = {names[at] for at in far}
        return members.only(name for name in members.names if name not in odd)


class Merge(Policy):
    """Put near duplicates together: of pLLMs whose changes have a cosine of 0.95 or more, their mean takes the place.

    The mean is the nearest of the pool's rank (`average`, compressed): exact for true duplicates. Such pLLMs are many
    where users start from one and have little to add to it.
    """

    alike = 0.95

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        names = members.names
        adapters = {name: members.adapter(name, cloud, given) for name in names}
        near, left, made = cosines(list(adapters.values())), list(range(len(names))), dict(members.made)
        while left:
            first = left[0]
            group = [at for at in left if near[first, at] >= self.alike]
            left = [at for at in left if at not in group]
            if len(group) > 1:
                some = [names[at] for at in group]
                made[_name(some)] = mean([adapters[name] for name in some])
                for name in some:
                    made.pop(name, None)
                members = members.only(name for name in members.names if name not in some)
        return Members(members.pllms, made)


class Freshest(Policy):
    """Keep those that came last."""

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        return members.only(members.names[-self.keep :] if self.keep else members.names)


class Chosen(Policy):
    """Keep those that most users have started from, of equals the freshest.

    Whoever gave a pLLM counts for it too, or none could ever join a pool that is full.
    """

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        if not self.keep:
            return members
        here = set(cloud.pool.ids)
        count = [cloud.pool.chosen(name) if name in here else 1 for name in members.names]
        order = sorted(range(len(count)), key=lambda at: (count[at], at), reverse=True)
        return members.only(members.names[at] for at in order[: self.keep])


class Medoids(Policy):
    """Keep one of each style: the pLLM in the middle of each of `keep` clusters.

    A pLLM is where its answers to some of the cloud's probes lie in the base LLM's hidden states, as `retrieval` has
    it. The clusters are those of k-medoids by cosine: each medoid is the farthest from those before it, to begin with.
    """

    probes, answer_tokens = 8, 32

    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        if not self.keep or len(members.names) <= self.keep:
            return members
        if members.made:
            raise ValueError("medoids asks pLLMs how they answer, which what was just made cannot say: put it first")
        prompts = list(cloud.probes[: self.probes])
        where = []
        for name in members.names:
            answers = cloud.ask(Generate(prompts, Start({name: 1.0}), max_new_tokens=self.answer_tokens))
            where.append(cloud.ask(Embed(answers, llm="base")).mean(axis=0))
        return members.only(members.names[at] for at in medoids(np.stack(where), self.keep))


def medoids(where: np.ndarray, count: int, rounds: int = 20) -> list[int]:
    """Places of the medoids of so many clusters of points (points, width), by the cosine from their common mean."""
    away = where.astype(np.float64) - where.mean(axis=0)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    apart = 1 - away @ away.T
    found = [int(apart.sum(axis=1).argmin())]
    while len(found) < count:
        found.append(int(apart[:, found].min(axis=1).argmax()))
    for _ in range(rounds):
        nearest = apart[:, found].argmin(axis=1)
        better = []
        for cluster, medoid in enumerate(found):
            mine = np.flatnonzero(nearest == cluster)
            better.append(int(mine[apart[np.ix_(mine, mine)].sum(axis=1).argmin()]) if len(mine) else medoid)
        if better == found:
            break
        found = better
    return sorted(set(found))


def _name(merged: list[str]) -> str:
    """What a merge is called: another for each that was merged."""
    return f"merged-{hashlib.sha256('+'.join(merged).encode()).hexdigest()[:8]}"
