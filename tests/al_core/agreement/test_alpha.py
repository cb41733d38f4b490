"""Alpha against its literal definition, the `krippendorff` package and a literal bootstrap."""

from itertools import permutations
from typing import TYPE_CHECKING

import krippendorff
import numpy as np
import pytest
from numpy.typing import NDArray

from al_core.agreement import AgreementError, Rating, Ratings, krippendorff_alpha, ratings_of
from al_core.agreement.alpha import interval, nominal, ordinal, per_class, rated_counts
from al_core.scheme import Dimension, Scheme, SchemeError

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Cremad

SCHEME = Scheme(("anger", "happiness", "neutral", "sadness"))
VALENCE = Dimension("valence", 1, 9)


def literal_alpha(units: list[list[tuple[str, str]]]) -> float:
    """Nominal alpha by walking over every ordered pair of annotations, as the book defines it."""
    pairable = [[label for _, label in unit] for unit in units if len(unit) >= 2]
    everything = [label for unit in pairable for label in unit]
    n = len(everything)
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in pairable) / n
    expected = sum(a != b for a, b in permutations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected


def some_counts(seed: int, n: int = 80, values: int = 5) -> NDArray[np.int64]:
    """(n, values) answers around a value of each clip, 0 to 4 a clip."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((n, values), dtype=np.int64)
    for row, centre, size in zip(counts, rng.integers(0, values, n), rng.integers(0, 5, n), strict=True):
        np.add.at(row, np.clip(centre + rng.integers(-1, 2, size), 0, values - 1), 1)
    return counts


def some_ratings(seed: int, n: int = 60, annotators: int = 5, digits: int = 0) -> Ratings:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(2, 8, n)
    return ratings_of(
        [
            Rating(f"{i:03d}", f"annotator {a}", float(np.clip(np.round(x + rng.normal(), digits), 1, 9)))
            for i, x in enumerate(centres)
            for a in range(annotators)
            if rng.random() < 0.6
        ],
        VALENCE,
    )


def as_matrix(ratings: Ratings) -> NDArray[np.float64]:
    """(annotators, clips) with NaN where somebody did not rate: the package's form."""
    matrix = np.full((len(ratings.annotators), len(ratings.clips)), np.nan)
    matrix[ratings.annotator, ratings.clip] = ratings.value
    return matrix


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


def test_an_answer_outside_the_scheme_is_refused_by_name() -> None:
    with pytest.raises(SchemeError, match="joy"):
        krippendorff_alpha([[("a", "joy"), ("b", "anger")]], SCHEME)


@pytest.mark.parametrize("seed", range(5))
def test_nominal_and_ordinal_equal_the_package(seed: int) -> None:
    counts = some_counts(seed)
    for ours, level in ((nominal(counts, 0), "nominal"), (ordinal(counts, 0), "ordinal")):
        assert ours is not None
        theirs = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
        assert ours.value == pytest.approx(theirs, abs=1e-12)
        assert ours.n_clips == (counts.sum(axis=1) > 1).sum()


@pytest.mark.parametrize("digits", [0, 6], ids=["a scale's points", "a slider"])
@pytest.mark.parametrize("seed", range(3))
def test_interval_of_ratings_equals_the_package(seed: int, digits: int) -> None:
    ratings = some_ratings(seed, digits=digits)
    ours = interval(ratings, 0)
    assert ours is not None
    assert ours.value == pytest.approx(
        krippendorff.alpha(as_matrix(ratings), level_of_measurement="interval"), abs=1e-9
    )


@pytest.mark.parametrize("seed", range(3))
def test_ordinal_of_a_scale_s_points_equals_the_package(seed: int) -> None:
    ratings = some_ratings(seed)
    ours = ordinal(rated_counts(ratings), 0)
    assert ours is not None
    assert ours.value == pytest.approx(krippendorff.alpha(as_matrix(ratings), level_of_measurement="ordinal"), abs=1e-9)


def test_ranks_of_a_slider_are_refused_and_say_what_to_take() -> None:
    with pytest.raises(AgreementError, match="interval alpha"):
        ordinal(np.ones((4, 101)))


def test_interval_alpha_keeps_its_digits_far_from_zero() -> None:
    ratings = some_ratings(0, digits=6)
    far = Ratings(ratings.clips, ratings.annotators, ratings.clip, ratings.annotator, ratings.value + 1e6)
    near, shifted = interval(ratings, 0), interval(far, 0)
    assert near is not None and shifted is not None
    assert shifted.value == pytest.approx(near.value, abs=1e-6)


def test_the_bootstrap_is_that_of_drawing_clips_one_by_one() -> None:
    counts, rng = some_counts(1, n=120), np.random.default_rng(0)
    ours = nominal(counts, resamples=4000)
    pairable = counts[counts.sum(axis=1) > 1]
    drawn = [
        krippendorff.alpha(
            value_counts=pairable[rng.integers(0, len(pairable), len(pairable))], level_of_measurement="nominal"
        )
        for _ in range(1500)
    ]
    assert ours is not None
    assert [ours.low, ours.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
    assert ours.low < ours.value < ours.high


def test_the_interval_holds_the_population_s_alpha_about_as_often_as_it_says() -> None:
    population = some_counts(7, n=20_000)
    whole = nominal(population, 0)
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(200):
        part = nominal(population[rng.integers(0, len(population), 150)], resamples=300, seed=seed)
        assert whole is not None and part is not None
        held += part.low <= whole.value <= part.high
    assert held >= 0.88 * 200


def test_a_class_everybody_hears_alike_has_a_higher_alpha_than_one_they_confuse() -> None:
    counts = np.array([[3, 0, 0], [3, 0, 0], [0, 2, 1], [0, 1, 2], [0, 2, 1], [0, 1, 2]])
    first, second, third = per_class(counts, 0)
    assert first is not None and second is not None and third is not None
    assert first.value == pytest.approx(1.0) and second.value < 0.3 and third.value < 0.3
    binary = np.stack([counts[:, 1], counts[:, [0, 2]].sum(axis=1)], axis=1)
    assert second.value == pytest.approx(krippendorff.alpha(value_counts=binary, level_of_measurement="nominal"))


def test_real_votes_have_the_package_s_alpha(cremad: "Cremad") -> None:
    ours = nominal(cremad.counts)
    assert ours is not None
    theirs = krippendorff.alpha(value_counts=cremad.counts, level_of_measurement="nominal")
    assert ours.value == pytest.approx(theirs, abs=1e-9)
    assert ours.high - ours.low < 0.02


def test_the_same_seed_gives_the_same_interval() -> None:
    counts = some_counts(2)
    assert nominal(counts, seed=5) == nominal(counts, seed=5) != nominal(counts, seed=6)


def test_alpha_is_none_where_it_is_undefined_at_every_level() -> None:
    lonely = ratings_of([Rating("a", "x", 3), Rating("b", "y", 5)], VALENCE)
    constant = ratings_of([Rating("a", "x", 3), Rating("a", "y", 3)], VALENCE)
    for ratings in (lonely, constant):
        assert interval(ratings) is None
        assert ordinal(rated_counts(ratings)) is None
