"""Who is believed: class-balanced quotas of probabilities, and labels spread along a graph."""

import numpy as np
import pytest

from al_core.peft.specs import RecipeError
from al_core.recipe import Recipe, check_learns, recipe_from_dict, recipe_to_dict
from al_core.scheme import Dimension, Scheme
from al_core.semi_supervised.belief import most_confident
from al_core.semi_supervised.comparison import Comparison
from al_core.semi_supervised.label_spreading import label_spreading
from al_core.semi_supervised.pseudo_labels import pseudo_labels
from al_core.semi_supervised.specs import LabelSpreading, PseudoLabels

PROBABILITIES = np.array(
    [[0.9, 0.1, 0], [0.8, 0.2, 0], [0.7, 0.3, 0], [0.6, 0.4, 0], [0.45, 0.55, 0], [0, 0, 0]], dtype=np.float32
)


def test_each_class_gives_its_most_confident_share_and_a_rare_one_at_least_a_clip() -> None:
    believed = most_confident(PROBABILITIES, 0.5, 0.5)
    assert believed.positions.tolist() == [0, 1, 4]  # a threshold at .8 would have left out the second class
    np.testing.assert_array_equal(believed.targets.argmax(axis=1), [0, 0, 1])
    np.testing.assert_allclose(believed.weights, [0.45, 0.4, 0.275])
    assert believed.targets.sum() == 3 and believed.targets.dtype == believed.weights.dtype == np.float32


def test_pseudo_labels_grow_to_their_share_and_never_hold_a_clip_nothing_is_known_of() -> None:
    counts = [
        len(pseudo_labels(PseudoLabels(share=1.0, iterations=4), PROBABILITIES, i).positions) for i in range(1, 5)
    ]
    assert counts == [2, 3, 4, 5]


def moons(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles: neighbours tell them apart, no straight line does."""
    rng, angle = np.random.default_rng(0), np.linspace(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    both = np.concatenate([upper, lower]) + 0.03 * rng.standard_normal((2 * n, 2))
    centred = both - both.mean(axis=0)
    # Cosines compare directions: a quadratic lift makes the plane's places directions.
    lifted = np.stack(
        [*np.cos(np.outer(np.arange(1, 4), centred[:, 0])), *np.sin(np.outer(np.arange(1, 4), centred[:, 0]))], 1
    )
    also = np.stack(
        [*np.cos(np.outer(np.arange(1, 4), centred[:, 1])), *np.sin(np.outer(np.arange(1, 4), centred[:, 1]))], 1
    )
    return np.concatenate([lifted, also], axis=1).astype(np.float32), np.repeat([0, 1], n)


def test_labels_spread_along_both_moons_from_two_of_each() -> None:
    X, classes = moons(150)
    labelled = np.array([40, 110, 190, 260])
    rest = np.setdiff1d(np.arange(300), labelled)
    targets = np.eye(2, dtype=np.float32)[classes[labelled]]
    finish = LabelSpreading(neighbours=8, alpha=0.99, share=1.0, weight=1.0)
    believed = label_spreading(finish, X[labelled], targets, X[rest])
    assert len(believed.positions) == len(rest)
    assert (believed.targets.argmax(axis=1) == classes[rest][believed.positions]).mean() > 0.95


def test_spreading_settles_at_its_closed_form_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from al_core.semi_supervised import label_spreading as module

    rng = np.random.default_rng(1)
    X, targets = rng.standard_normal((40, 5)).astype(np.float32), np.eye(3, dtype=np.float32)[np.arange(9) % 3]
    finish = LabelSpreading(neighbours=5, alpha=0.8, share=1.0, weight=1.0)
    whole = label_spreading(finish, X[:9], targets, X[9:])
    S = module._normalised(module._neighbours(X, 5)).toarray()
    Y = np.zeros((40, 3))
    Y[:9] = targets / 3
    F = np.linalg.solve(np.eye(40) - 0.8 * S, 0.2 * Y)[9:]
    np.testing.assert_array_equal(whole.targets.argmax(axis=1), F.argmax(axis=1)[whole.positions])
    np.testing.assert_allclose(
        whole.weights, (F / F.sum(axis=1, keepdims=True)).max(axis=1)[whole.positions], atol=1e-4
    )
    monkeypatch.setattr(module, "_BLOCK", 7)
    np.testing.assert_allclose(label_spreading(finish, X[:9], targets, X[9:]).weights, whole.weights, atol=1e-6)


@pytest.mark.parametrize("finish", [PseudoLabels(share=0.5, iterations=2), LabelSpreading(neighbours=4), None])
def test_a_finish_survives_json(finish) -> None:
    recipe = Recipe(finish=finish)
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


@pytest.mark.parametrize(
    ("finish", "sentence"),
    [
        ({"kind": "pseudo_labels", "share": 0}, r"recipe\.finish\.share is 0"),
        ({"kind": "pseudo_labels", "iterations": 0}, r"recipe\.finish\.iterations is 0"),
        ({"kind": "pseudo_labels", "weight": 0}, r"recipe\.finish\.weight is 0"),
        ({"kind": "label_spreading", "alpha": 1}, r"recipe\.finish\.alpha is 1"),
        ({"kind": "label_spreading", "neighbours": 0}, r"recipe\.finish\.neighbours is 0"),
        ({"kind": "magic"}, r"recipe\.finish\.kind is 'magic': use pseudo_labels, label_spreading"),
    ],
)
def test_a_finish_that_cannot_work_is_refused_by_its_field(finish, sentence) -> None:
    with pytest.raises(RecipeError, match=sentence):
        recipe_from_dict({"finish": finish})


def test_a_finish_needs_classes() -> None:
    with pytest.raises(RecipeError, match=r"recipe\.finish believes classes"):
        check_learns(Recipe(finish=PseudoLabels()), Scheme((), (Dimension("arousal", 1, 5),)))


def test_equal_figures_keep_the_simpler_classifier() -> None:
    tie = Comparison.of("pseudo_labels", "dev", 0.7, 0.7, 12)
    assert tie.kept == "without" and "is left out: on dev UAR is 70.0 with it and 70.0 without (+0.0)" in tie.sentence
    assert Comparison.of("pseudo_labels", "speakers", 0.8, 0.7, 12).sentence.startswith(
        "the finish pseudo_labels is kept"
    )
