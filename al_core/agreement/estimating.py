"""Annotations → labels by the estimator a project chose; the same events give the same estimate, bit for bit."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from al_core.agreement import dawid_skene, mace, majority
from al_core.agreement.answers import AgreementError, Floats, Ints, Votes
from al_core.agreement.hidden import HiddenClasses, expect
from al_core.agreement.listeners import fit_listeners
from al_core.agreement.specs import DawidSkene, Estimator, Mace, Majority

DECIMALS = 6  # last bits differ between processors; what is trained on and digested does not
SMALLEST = 1e-12  # of an average annotator's matrix, so that its logarithm exists


@dataclass(frozen=True, slots=True, eq=False)
class Annotators:
    """What the hidden-class estimators learned about the annotators.

    Attributes:
        keys: a annotators.
        confusions: (a, c, c + 1) float64 P(response | class), rows summing to 1, "unclear" last.
        competences: (a,) float64; Dawid–Skene: chance of a right answer, MACE: chance of knowing.
        average: (c, c + 1) the matrix of the average annotator, each weighted by his answers.
        prior: (c,) P(class).
    """

    keys: tuple[str, ...]
    confusions: Floats
    competences: Floats
    average: Floats
    prior: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The labels of n clips over c classes.

    Attributes:
        estimator: that made it.
        classes, clips: names of the classes in the scheme's order, keys of the clips, sorted.
        labels: (n,) a class name, or None: a dispute, also where nobody named a class.
        distributions: (n, c) float64, rows summing to 1, what a classifier is trained on. Majority: shares of votes
            (uniform where all were unclear). Dawid–Skene, MACE: the posterior. A known class: certainty.
        posterior: (n, c) float64, the chance that each class is the right label. Majority: that most listeners would
            answer it, so a row sums to less than 1 where "unclear" may lead. Dawid–Skene, MACE: that it is the class.
        confidence: (n,) float64, the posterior of the label; of the likeliest class where there is none.
        counts: (n, c + 1) float64 votes, "unclear" last.
        known: (n,) bool, clips whose class was given: gold, rulings.
        listeners: (c + 1,) float64, α of the project's listeners, see `al_core.agreement.listeners`.
        annotators: None for majority.
    """

    estimator: Estimator
    classes: tuple[str, ...]
    clips: tuple[str, ...]
    labels: tuple[str | None, ...]
    distributions: Floats
    posterior: Floats
    confidence: Floats
    counts: Floats
    known: NDArray[np.bool_]
    listeners: Floats
    annotators: Annotators | None

    @property
    def n(self) -> Ints:
        """(n,) int64 annotations counted for each clip."""
        counted: Ints = np.rint(self.counts.sum(axis=1)).astype(np.int64)
        return counted

    @property
    def labelled(self) -> Ints:
        """Positions of the clips that have a label, ascending."""
        return np.array([i for i, label in enumerate(self.labels) if label is not None], dtype=np.int64)


def estimate(
    votes: Votes, estimator: Estimator, known: Mapping[str, str] | None = None, learned: Estimate | None = None
) -> Estimate:
    """The labels that the estimator reads out of the votes.

    Args:
        votes: from `votes_of`.
        estimator: which, with its parameters.
        known: clip → class, where the class is given: gold clips and rulings. It is their label, and Dawid–Skene and
            MACE learn from it who is right. Clips without a vote are left out.
        learned: a former estimate by the same estimator, whose listeners and annotators are taken as they are: a few
            clips of many are then estimated in a moment. Whoever is unknown there answers like its average annotator.

    Raises:
        AgreementError: no votes, a known class that is not in the scheme, or a former estimate by another estimator or
            over other classes.
    """
    if not votes.clips:
        raise AgreementError("no annotations: estimate labels once somebody answered")
    if learned is not None and (learned.estimator, learned.classes) != (estimator, votes.classes):
        raise AgreementError("what was learned by another estimator, or over other classes, says nothing here")
    given = _positions(votes, known or {})
    counts = votes.counts()
    listeners = fit_listeners(counts) if learned is None else learned.listeners
    hidden = _hidden(_named(votes, counts), estimator, given, learned)
    if hidden is None:
        distributions, posterior = majority.shares(counts), majority.posterior(counts, listeners)
        first = majority.most_voted(counts)
        first[first == len(votes.classes)] = majority.DISPUTED  # most heard nothing clear
    else:
        distributions, posterior, first = hidden.posterior, hidden.posterior, majority.most_voted(hidden.posterior)
    first[counts[:, :-1].sum(axis=1) == 0] = majority.DISPUTED
    rows, classes = np.fromiter(given.keys(), np.int64, len(given)), np.fromiter(given.values(), np.int64, len(given))
    sure = np.zeros(len(votes.clips), dtype=bool)
    distributions, posterior = distributions.copy(), posterior.copy()
    for table in (distributions, posterior):
        table[rows] = 0
        table[rows, classes] = 1
    sure[rows], first[rows] = True, classes
    posterior = np.round(posterior, DECIMALS)
    confidence = np.where(first >= 0, posterior[np.arange(len(first)), first], posterior.max(axis=1))
    first[confidence < estimator.dispute_below] = majority.DISPUTED
    names = (*votes.classes, None)  # position −1 is the None
    return Estimate(
        estimator,
        votes.classes,
        votes.clips,
        tuple(names[i] for i in first),
        np.round(distributions, DECIMALS),
        posterior,
        confidence,
        counts,
        sure,
        listeners,
        None if hidden is None else _annotators(votes, hidden) if learned is None else learned.annotators,
    )


def digest(made: Estimate) -> str:
    """sha256 of an estimate: estimator, classes, and each clip's label and distribution (float32), in order of clip.

    It covers disputes too; `al_core.targets.labels_digest` covers the clips a checkpoint was trained on.
    """
    head = f"{sorted(asdict(made.estimator).items())} {made.classes}"
    rows = made.distributions.astype("<f4")
    each = zip(made.clips, made.labels, rows, strict=True)
    lines = [f"{key!r} {label!r} {row.tobytes().hex()}" for key, label, row in each]
    return hashlib.sha256("\n".join([head, *lines]).encode()).hexdigest()


def _positions(votes: Votes, known: Mapping[str, str]) -> dict[int, int]:
    unknown = sorted(set(known.values()) - set(votes.classes))
    if unknown:
        raise AgreementError(f"a known class is {unknown[0]!r}: the scheme has {', '.join(votes.classes)}")
    if not known:
        return {}
    return {i: votes.classes.index(known[key]) for i, key in enumerate(votes.clips) if key in known}


def _named(votes: Votes, counts: Floats) -> Votes:
    """The votes of clips for which somebody named a class. Of the others EM would make a class up and believe it."""
    kept = counts[votes.clip, :-1].sum(axis=1) > 0
    columns = (votes.clip[kept], votes.annotator[kept], votes.response[kept], votes.weight[kept])
    return Votes(votes.classes, votes.clips, votes.annotators, *columns)


def _hidden(
    votes: Votes, estimator: Estimator, known: Mapping[int, int], learned: Estimate | None
) -> HiddenClasses | None:
    """The hidden classes, and the annotators that explain them; None for majority, which knows neither."""
    if isinstance(estimator, Majority):
        return None
    if learned is not None and learned.annotators is not None:
        of = learned.annotators
        at = {key: i for i, key in enumerate(of.keys)}
        confusions = [of.confusions[at[key]] if key in at else of.average for key in votes.annotators]
        competences = [of.competences[at[key]] if key in at else of.competences.mean() for key in votes.annotators]
        matrices = np.maximum(np.array(confusions), SMALLEST)
        posterior, log_likelihood = expect(votes, of.prior, matrices, known)
        return HiddenClasses(posterior, of.prior, matrices, np.array(competences), log_likelihood, 0)
    match estimator:
        case DawidSkene():
            return dawid_skene.fit(votes, estimator, known)
        case Mace():
            return mace.fit(votes, estimator, known)
        case _:
            assert_never(estimator)


def _annotators(votes: Votes, hidden: HiddenClasses) -> Annotators:
    answers = np.bincount(votes.annotator, votes.weight, len(votes.annotators))
    average = np.tensordot(answers / answers.sum(), hidden.confusions, axes=1)
    return Annotators(votes.annotators, hidden.confusions, hidden.competences, average, hidden.prior)
