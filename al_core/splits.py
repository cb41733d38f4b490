"""Speaker-disjoint train, dev and test splits. Whether given ones are disjoint is for `al_core.leaks` to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Split = Literal["train", "dev", "test"]
Unknown = Literal["refuse", "own"]

_SHUFFLES = 300  # orders of speakers tried for the one nearest to the shares asked for
_NEAR = 0.005  # share of all clips a split may be off its targets and still end the search
_STEPS = 50_000  # choices the exact search may make before it gives up


class SplitError(ValueError):
    """No split keeps its promises; the sentence names what lacks and what to do."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """Clips by speaker: g speakers, c classes."""

    of_clip: NDArray[np.int64]  # (n,) position of each clip's speaker
    n_clips: NDArray[np.int64]  # (g,)
    holds: NDArray[np.bool_]  # (g, c) whether the speaker has a clip of the class
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.n_clips)

    def covered(self, speakers: NDArray[np.int64]) -> bool:
        """Whether these speakers together hold every class."""
        return bool(self.holds[speakers].any(axis=0).all())


def speaker_disjoint(
    speakers: Sequence[str | None],
    labels: Sequence[str | None],
    dev_share: float,
    test_share: float,
    rng: Generator,
    unknown: Unknown = "refuse",
) -> list[Split]:
    """A split per clip: no speaker in two splits, every class in dev and in test, shares of clips near those asked.

    Among many random orders of the speakers the one nearest to the shares is kept, preferring those that leave every
    class in train as well. When none of them puts every class into dev and test, an exact search looks for the
    speakers that do, so a split is found whenever one exists, and its shares are then as near as that allows.

    Args:
        speakers: (n,) who speaks in each clip.
        labels: (n,) class names; None where a clip has no label: it is split with its speaker and promises nothing.
        dev_share: share of clips for dev, 0 for none.
        test_share: share of clips for test, 0 for none.
        rng: decides between equally good splits.
        unknown: what a clip without a speaker is: refused (it might be anybody), or a speaker of its "own".

    Raises:
        SplitError: shares that leave no train, unknown speakers, too few of them, or a class that too few speakers
            hold; the sentence names it.
    """
    if min(dev_share, test_share) < 0 or dev_share + test_share >= 1:
        raise SplitError(
            f"shares dev {dev_share} and test {test_share}: both must be ≥ 0 and leave something for train"
        )
    groups = _group(speakers, labels, unknown)
    targets = np.array([test_share, dev_share]) * groups.n_clips.sum()  # (2,) clips wanted in test and dev
    parts = (targets > 0).astype(np.int64)
    _refuse_impossible(groups, int(parts.sum()))
    best: tuple[float, list[NDArray[np.int64]]] | None = None
    for _ in range(_SHUFFLES):
        chosen = _fill(groups, rng.permutation(len(groups)), [_nothing(), _nothing()], targets)
        distance = _distance(groups, chosen, targets)
        if distance is not None and (best is None or distance < best[0]):
            best = distance, chosen
            if distance <= _NEAR * groups.n_clips.sum():
                break
    if best is None:
        cover = _cover(groups, [len(groups) if part else 0 for part in parts], rng)
        best = 0.0, _fill(groups, rng.permutation(len(groups)), cover, targets)
    return _named(groups, *best[1])


def hold_out_speakers(
    speakers: Sequence[str | None],
    labels: Sequence[str | None],
    n_test: int,
    rng: Generator,
    n_dev: int = 0,
    unknown: Unknown = "refuse",
) -> list[Split]:
    """A split per clip with exactly `n_test` and `n_dev` speakers held out, each part holding every class.

    Arguments and errors are those of `speaker_disjoint`; orders that leave every class in train are preferred.
    """
    groups = _group(speakers, labels, unknown)
    if min(n_test, n_dev) < 0 or n_test + n_dev >= len(groups):
        raise SplitError(
            f"{n_test} test and {n_dev} dev speakers of {len(groups)}: leave at least one speaker for train"
        )
    _refuse_impossible(groups, (n_test > 0) + (n_dev > 0))
    fallback: list[NDArray[np.int64]] | None = None
    for _ in range(_SHUFFLES):
        order = rng.permutation(len(groups))
        test, dev, train = np.split(order, [n_test, n_test + n_dev])
        if all(groups.covered(part) for part in (test, dev) if len(part)):
            if groups.covered(train):
                return _named(groups, test, dev)
            fallback = fallback or [test, dev]
    if fallback is None:
        test, dev = _cover(groups, [n_test, n_dev], rng)
        rest = rng.permutation(np.setdiff1d(np.arange(len(groups)), np.concatenate([test, dev])))
        more = n_test - len(test)
        fallback = [np.append(test, rest[:more]), np.append(dev, rest[more : more + n_dev - len(dev)])]
    return _named(groups, *fallback)


def _group(speakers: Sequence[str | None], labels: Sequence[str | None], unknown: Unknown) -> _Groups:
    without = [i for i, speaker in enumerate(speakers) if speaker is None]
    if without and unknown == "refuse":
        raise SplitError(
            f"{len(without)} clips have no speaker (positions {_first([str(i) for i in without])}): name their "
            "speakers, give every clip a split, or say that each of them is a speaker of its own"
        )
    keys = [("clip", str(i)) if speaker is None else ("speaker", speaker) for i, speaker in enumerate(speakers)]
    position = {key: g for g, key in enumerate(dict.fromkeys(keys))}
    of_clip = np.array([position[key] for key in keys], np.int64)
    classes = tuple(sorted({label for label in labels if label is not None}))
    holds = np.zeros((len(position), len(classes)), np.bool_)
    for g, label in zip(of_clip, labels, strict=True):
        if label is not None:
            holds[g, classes.index(label)] = True
    return _Groups(of_clip, np.bincount(of_clip, minlength=len(position)), holds, classes)


def _refuse_impossible(groups: _Groups, n_parts: int) -> None:
    """`n_parts` held-out parts and train need a speaker each, and each held-out part one of every class."""
    if len(groups) <= n_parts:
        raise SplitError(
            f"{len(groups)} speakers cannot make {n_parts + 1} splits: add speakers or ask for fewer splits"
        )
    for name, count in zip(groups.classes, groups.holds.sum(axis=0), strict=True):
        if count < n_parts:
            raise SplitError(
                f"class {name!r} is spoken by {count} speaker(s) and {n_parts} held-out splits need one each: add "
                "speakers who have it, drop the class from the scheme, or hold out fewer splits"
            )


def _nothing() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _fill(
    groups: _Groups, order: NDArray[np.int64], begun: list[NDArray[np.int64]], targets: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Speakers for test and for dev, in `order`, on top of those `begun`, each part until the next would overshoot."""
    free = order[~np.isin(order, np.concatenate(begun))]
    chosen = []
    for part, target in zip(begun, targets, strict=True):
        filled = groups.n_clips[part].sum() + np.append(0, np.cumsum(groups.n_clips[free[:-1]]))  # one stays for train
        more = int(np.argmin(np.abs(filled - target))) if target else 0
        if target and not len(part):
            more = max(more, 1)
        chosen.append(np.append(part, free[:more]))
        free = free[more:]
    return chosen


def _distance(groups: _Groups, chosen: list[NDArray[np.int64]], targets: NDArray[np.float64]) -> float | None:
    """Clips off the targets, plus all of them when train lacks a class; None when dev or test lacks one."""
    rest = np.delete(np.arange(len(groups)), np.concatenate(chosen))
    wanted = [part for part, target in zip(chosen, targets, strict=True) if target]
    if not len(rest) or not all(len(part) and groups.covered(part) for part in wanted):
        return None
    off = sum(abs(groups.n_clips[part].sum() - target) for part, target in zip(chosen, targets, strict=True))
    return float(off + (0 if groups.covered(rest) else groups.n_clips.sum()))


def _cover(groups: _Groups, sizes: list[int], rng: Generator) -> list[NDArray[np.int64]]:
    """At most `sizes` speakers a part, disjoint, one left over, so that each part with a size holds every class.

    Exact: the class with the fewest speakers left is served first, by each of them in turn.
    """
    order = rng.permutation(len(groups))
    parts: list[list[int]] = [[] for _ in sizes]
    missing = [np.full(len(groups.classes), size > 0) for size in sizes]  # (c,) each: classes the part still lacks
    free = np.ones(len(groups), np.bool_)
    steps = 0

    def serve() -> bool:
        nonlocal steps
        steps += 1
        if steps > _STEPS:
            raise SplitError("no split was found in reasonable time: give every clip a split, or drop the rarest class")
        open_needs = [(p, c) for p, lacks in enumerate(missing) for c in np.flatnonzero(lacks)]
        if not open_needs:
            return bool(free.any())
        candidates = groups.holds & free[:, None]  # (g, c)
        p, c = min(open_needs, key=lambda need: int(candidates[:, need[1]].sum()))
        if len(parts[p]) == sizes[p]:
            return False
        tried: set[bytes] = set()  # speakers who hold the same classes are interchangeable
        for speaker in order[candidates[order, c]]:
            if groups.holds[speaker].tobytes() in tried:
                continue
            tried.add(groups.holds[speaker].tobytes())
            gained = missing[p] & groups.holds[speaker]
            parts[p].append(int(speaker))
            missing[p] &= ~gained
            free[speaker] = False
            if serve():
                return True
            parts[p].pop()
            missing[p] |= gained
            free[speaker] = True
        return False

    if not serve():
        rarest = groups.classes[int(groups.holds.sum(axis=0).argmin())]
        count = int(groups.holds.sum(axis=0).min())
        raise SplitError(
            f"no choice of speakers puts every class into each held-out split; class {rarest!r} is the rarest, spoken "
            f"by {count} of {len(groups)} speakers: hold out more speakers, add some who have it, or drop the class"
        )
    return [np.array(part, np.int64) for part in parts]


def _named(groups: _Groups, test: NDArray[np.int64], dev: NDArray[np.int64]) -> list[Split]:
    names: list[Split] = ["train"] * len(groups)
    for g in test:
        names[g] = "test"
    for g in dev:
        names[g] = "dev"
    return [names[g] for g in groups.of_clip]


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
