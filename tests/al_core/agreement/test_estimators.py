"""One test body over every estimator of labels."""

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from al_core.agreement import (
    AgreementError,
    DawidSkene,
    Estimator,
    Event,
    Mace,
    Majority,
    digest,
    estimate,
    votes_of,
)
from al_core.agreement.answers import sorted_votes
from al_core.scheme import Scheme
from al_core.targets import labels_digest

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Simulate

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))
ESTIMATORS: tuple[Estimator, ...] = (Majority(), DawidSkene(), Mace())

pytestmark = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.kind)


def test_the_estimate_has_the_promised_shapes_and_rows_that_sum_to_one(
    estimator: Estimator, simulate: "Simulate"
) -> None:
    made = estimate(simulate(0, n=60, unclear=0.1).votes, estimator)
    assert made.distributions.shape == made.posterior.shape == (60, 6)
    assert np.allclose(made.distributions.sum(axis=1), 1, atol=1e-5) and (made.distributions >= 0).all()
    assert (made.posterior.sum(axis=1) < 1 + 1e-5).all()
    assert made.confidence.shape == (60,) and (made.confidence <= 1).all() and (made.confidence > 1 / 8).all()
    assert made.n.tolist() == [8] * 60
    if made.annotators is not None:
        assert made.annotators.confusions.shape == (8, 6, 7)
        assert np.allclose(made.annotators.confusions.sum(axis=2), 1)
        assert np.allclose(made.annotators.average.sum(axis=1), 1)
        assert ((made.annotators.competences >= 0) & (made.annotators.competences <= 1)).all()


def test_the_order_of_events_changes_not_a_bit(estimator: Estimator, simulate: "Simulate") -> None:
    simulated = simulate(1, n=80, unclear=0.1)
    shuffled = [simulated.events[i] for i in np.random.default_rng(0).permutation(len(simulated.events))]
    one, two = estimate(simulated.votes, estimator), estimate(votes_of(shuffled, SIX), estimator)
    assert one.labels == two.labels and digest(one) == digest(two)
    assert (one.posterior == two.posterior).all()
    trained = one.labelled
    keys, rows = [one.clips[i] for i in trained], one.distributions[trained].astype(np.float32)
    assert labels_digest(keys, rows) == labels_digest(keys[::-1], two.distributions[trained].astype(np.float32)[::-1])


def test_the_digest_notices_a_changed_answer_and_a_changed_estimator(
    estimator: Estimator, simulate: "Simulate"
) -> None:
    events = simulate(2, n=40).events
    before = digest(estimate(votes_of(events, SIX), estimator))
    revised = [*events, Event(events[0].clip, events[0].annotator, None, order=99)]
    assert digest(estimate(votes_of(revised, SIX), estimator)) != before
    others = [other for other in ESTIMATORS if other != estimator]
    assert all(digest(estimate(votes_of(events, SIX), other)) != before for other in others)


def test_renaming_the_classes_renames_the_labels_and_nothing_else(estimator: Estimator, simulate: "Simulate") -> None:
    simulated = simulate(3, n=150)
    turned = Scheme(SIX.classes[::-1])
    one, two = estimate(simulated.votes, estimator), estimate(votes_of(simulated.events, turned), estimator)
    assert one.labels == two.labels
    assert np.allclose(one.distributions, two.distributions[:, ::-1], atol=1e-3)


def test_what_everybody_says_is_the_label(estimator: Estimator) -> None:
    events = [Event(f"{i}", f"{a}", SIX.classes[i % 6]) for i in range(30) for a in range(4)]
    made = estimate(votes_of(events, SIX), estimator)
    assert made.labels == tuple(SIX.classes[int(key) % 6] for key in made.clips)
    assert (made.confidence > 0.9).all()


def test_a_tie_of_equals_is_a_dispute(estimator: Estimator) -> None:
    events = [Event(f"{i}", "x", SIX.classes[i % 6]) for i in range(12)]
    events += [Event(f"{i}", "y", SIX.classes[i % 6]) for i in range(12)]
    events += [Event("torn", "x", "anger"), Event("torn", "y", "fear")]
    events += [Event("torn too", "x", "fear"), Event("torn too", "y", "anger")]
    made = estimate(votes_of(events, SIX), estimator)
    torn = dict(zip(made.clips, made.labels, strict=True))
    if isinstance(estimator, Majority):
        assert torn["torn"] is None and torn["torn too"] is None
        assert made.distributions[made.clips.index("torn")].tolist() == [0.5, 0, 0.5, 0, 0, 0]
    # The hidden-class estimators may know one ear better than the other; here they do not.
    assert made.confidence[made.clips.index("torn")] < 0.75


def test_known_classes_are_labels_and_certain(estimator: Estimator, simulate: "Simulate") -> None:
    simulated = simulate(4, n=50)
    made = estimate(simulated.votes, estimator, {"clip 00007": "fear", "never heard": "anger"})
    assert made.labels[7] == "fear" and made.confidence[7] == 1 and made.known[7]
    assert made.distributions[7].tolist() == [0, 0, 1, 0, 0, 0]
    assert made.known.sum() == 1 and "never heard" not in made.clips
    with pytest.raises(AgreementError, match="joy"):
        estimate(simulated.votes, estimator, {"clip 00007": "joy"})


def test_a_label_that_is_not_sure_enough_is_a_dispute(estimator: Estimator, simulate: "Simulate") -> None:
    votes = simulate(5, n=120, per_clip=3).votes
    lenient = estimate(votes, estimator)
    strict = estimate(votes, type(estimator)(dispute_below=0.8))
    expected = [label if sure >= 0.8 else None for label, sure in zip(lenient.labels, lenient.confidence, strict=True)]
    assert list(strict.labels) == expected
    assert None in strict.labels and any(strict.labels)


def test_a_clip_nobody_could_tell_is_a_dispute_that_says_nothing(estimator: Estimator, simulate: "Simulate") -> None:
    events = [*simulate(6, n=40).events, *(Event("noise", f"annotator {a}", None) for a in range(4))]
    made = estimate(votes_of(events, SIX), estimator)
    at = made.clips.index("noise")
    assert made.n[at] == 4
    assert made.labels[at] is None
    assert made.confidence[at] < 0.4 and made.distributions[at].max() < 0.4


def test_intensities_move_the_distribution_between_the_classes_named(
    estimator: Estimator, simulate: "Simulate"
) -> None:
    events = [*simulate(7, n=60, right=(0.6, 0.9)).events]
    events += [Event("mixed", f"annotator {a}", {"anger": 2, "disgust": 1}) for a in range(3)]
    made = estimate(votes_of(events, SIX), estimator)
    row = made.distributions[made.clips.index("mixed")]
    assert made.labels[made.clips.index("mixed")] == "anger" and row[0] > row[1] > row[2:].max()


def test_no_annotations_are_refused(estimator: Estimator) -> None:
    with pytest.raises(AgreementError, match="once somebody answered"):
        estimate(votes_of([], SIX), estimator)


def test_a_hundred_thousand_annotations_take_seconds_and_beat_a_single_ear(estimator: Estimator) -> None:
    rng, n, a = np.random.default_rng(0), 20_000, 50
    truth = rng.integers(0, 6, n)
    clip = np.repeat(np.arange(n), 5)
    annotator = (rng.integers(0, a, n)[:, None] + np.arange(5)).ravel() % a
    right = rng.random(len(clip)) < rng.uniform(0.4, 0.9, a)[annotator]
    response = np.where(right, truth[clip], rng.integers(0, 6, len(clip)))
    keys, ears = [f"{i:06d}" for i in range(n)], [f"{i:02d}" for i in range(a)]
    started = time.perf_counter()
    made = estimate(sorted_votes(SIX, keys, ears, clip, annotator, response), estimator)
    assert time.perf_counter() - started < 20  # about one on an idle core
    accuracy = np.mean([SIX.classes[t] == label for t, label in zip(truth, made.labels, strict=True)])
    assert accuracy > (response == truth[clip]).mean() + 0.1


def test_a_few_clips_are_estimated_by_what_many_taught(estimator: Estimator, simulate: "Simulate") -> None:
    events = simulate(8, n=200).events
    whole = estimate(votes_of(events, SIX), estimator)
    some = set(whole.clips[::20])
    part = estimate(votes_of([event for event in events if event.clip in some], SIX), estimator, learned=whole)
    rows = [whole.clips.index(clip) for clip in part.clips]
    assert part.labels == tuple(whole.labels[row] for row in rows)
    assert np.abs(part.posterior - whole.posterior[rows]).max() < 1e-3


def test_what_another_estimator_learned_is_refused(estimator: Estimator, simulate: "Simulate") -> None:
    votes = simulate(9, n=20).votes
    other = estimate(votes, Mace() if isinstance(estimator, Majority) else Majority())
    with pytest.raises(AgreementError, match="another estimator"):
        estimate(votes, estimator, learned=other)
