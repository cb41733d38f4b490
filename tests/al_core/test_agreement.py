import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from al_core.agreement import AgreementError, aggregate, krippendorff_alpha
from al_core.scheme import Scheme, SchemeError

SCHEME = Scheme(("anger", "happiness", "neutral", "sadness"))


def literal_alpha(units: list[list[tuple[str, str]]]) -> float:
    """Nominal alpha by walking over every ordered pair of annotations, as the book defines it."""
    pairable = [[label for _, label in unit] for unit in units if len(unit) >= 2]
    everything = [label for unit in pairable for label in unit]
    n = len(everything)
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in pairable) / n
    expected = sum(a != b for a, b in permutations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_the_majority_is_the_label_and_every_vote_is_in_the_distribution() -> None:
    verdict = aggregate(["sadness", "neutral", "sadness"], SCHEME)
    assert verdict.label == "sadness" and not verdict.disputed and verdict.n == 3
    assert np.allclose(verdict.distribution, [0, 0, 1 / 3, 2 / 3])


def test_a_tie_is_a_dispute_and_never_the_class_between_the_two() -> None:
    verdict = aggregate(["anger", "neutral"], SCHEME)
    assert verdict.label is None and verdict.disputed
    assert np.allclose(verdict.distribution, [0.5, 0, 0.5, 0])


def test_a_tie_for_second_place_is_no_dispute() -> None:
    assert aggregate(["anger", "anger", "neutral", "sadness"], SCHEME).label == "anger"


def test_one_annotation_is_a_label() -> None:
    assert aggregate(["happiness"], SCHEME).label == "happiness"


def test_nothing_to_decide_on_is_refused() -> None:
    with pytest.raises(AgreementError, match="annotate it first"):
        aggregate([], SCHEME)


def test_an_answer_outside_the_scheme_is_refused_by_name() -> None:
    with pytest.raises(SchemeError, match="joy"):
        aggregate(["joy"], SCHEME)
    with pytest.raises(SchemeError, match="joy"):
        krippendorff_alpha([[("a", "joy"), ("b", "anger")]], SCHEME)


@pytest.mark.parametrize("seed", range(10))
def test_alpha_equals_the_literal_definition_on_incomplete_annotations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 40)
    units = [
        [(f"annotator {a}", SCHEME.classes[t if rng.random() < 0.6 else rng.integers(0, 4)]) for a in range(size)]
        for t, size in zip(truth, rng.integers(0, 5, 40), strict=True)
    ]
    assert krippendorff_alpha(units, SCHEME) == pytest.approx(literal_alpha(units), abs=1e-12)


def test_alpha_of_the_published_example() -> None:
    """Krippendorff's own: three annotators, fifteen units, gaps; α = 0.691 (nominal)."""
    rows = [
        "*****341211 33*3".replace(" ", ""),
        "1*2133 43*******".replace(" ", ""),
        "**2134 4*21133*4".replace(" ", ""),
    ]
    units = [
        [(f"annotator {a}", SCHEME.classes[int(row[i]) - 1]) for a, row in enumerate(rows) if row[i] != "*"]
        for i in range(15)
    ]
    assert krippendorff_alpha(units, SCHEME) == pytest.approx(0.691358, abs=1e-6)


def test_alpha_is_one_in_agreement_and_below_zero_in_opposition() -> None:
    agreed = [[("a", label), ("b", label)] for label in ("anger", "sadness", "anger")]
    opposed = [[("a", "anger"), ("b", "sadness")]] * 4
    assert krippendorff_alpha(agreed, SCHEME) == 1.0
    assert (krippendorff_alpha(opposed, SCHEME) or 0) < 0


def test_an_annotators_last_answer_counts_once() -> None:
    units = [[("a", "anger"), ("b", "anger")], [("a", "anger"), ("b", "neutral"), ("a", "neutral")]]
    assert krippendorff_alpha(units, SCHEME) == 1.0


@pytest.mark.parametrize(
    "units",
    [
        [],
        [[("a", "anger")], [("b", "sadness")]],
        [[("a", "anger"), ("a", "sadness")]],
        [[("a", "anger"), ("b", "anger")], [("a", "anger"), ("b", "anger")]],
    ],
    ids=["nothing", "no pairs", "one annotator twice", "one class"],
)
def test_alpha_is_none_where_it_is_undefined(units: list[list[tuple[str, str]]]) -> None:
    assert krippendorff_alpha(units, SCHEME) is None


def test_real_votes_agree_as_their_publishers_say(shared: Path) -> None:
    """CREMA-D's listeners: 9.2 votes a clip, mean agreement of the voices 0.64 (the shared README's figures)."""
    scheme = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))
    with (shared / "data" / "cremad-votes" / "voice_votes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [[name for name in scheme.classes for _ in range(int(row[name]))] for row in rows]
    verdicts = [aggregate(clip, scheme) for clip in answers if clip]
    assert len(verdicts) == 7_442
    assert np.mean([v.n for v in verdicts]) == pytest.approx(9.2, abs=0.1)
    assert np.mean([v.distribution.max() for v in verdicts]) == pytest.approx(0.64, abs=0.03)
    units = [[(str(i), label) for i, label in enumerate(clip)] for clip in answers[:300]]
    assert krippendorff_alpha(units, scheme) == pytest.approx(literal_alpha(units), abs=1e-9)
