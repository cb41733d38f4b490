"""The whole loop with an oracle, on tones of three pitches spoken by six machines."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip, FeatureStore
from al_core.folds import LabelledCorpus
from al_core.peft.specs import LastK
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.simulate import SimulationError, SimulationPlan, area_under_curve, simulate
from al_core.strategies.specs import (
    STRATEGY_NAMES,
    Bald,
    Constrained,
    CoverageThenMargin,
    Ctial,
    DropoutVariance,
    GreedyY,
    Margin,
    Modal,
    Random,
    StrategyError,
    parse_strategy,
)

SCHEME = Scheme(("high", "low", "middle"))
PITCH = {"low": 150.0, "middle": 500.0, "high": 1500.0}
PLAN = SimulationPlan(
    recipe=Recipe(layer=1),
    strategies=(Random(), Margin(), CoverageThenMargin()),
    n_seeds=2,
    fractions=(0.1, 0.3, 0.6),
    test_speakers=2,
)
# What reads no dimensions, which the corpus has not.
NAMES = [name for name in STRATEGY_NAMES if not parse_strategy(name).needs_dimensions]
KEYS = {"corpus", "encoder", "scheme", "dimensions", "full", "points", "aulc", "versions"}
POINT_KEYS = {
    *("strategy", "seed", "round", "n_labels", "fraction", "uar", "wa", "macro_f1", "ccc"),
    *("seconds_embed", "seconds_select", "seconds_train", "seconds_tapt"),
    *("uar_with", "uar_without"),
}


def tone(i: int, pitch: float) -> np.ndarray:
    rng = np.random.default_rng(i)
    t = np.arange(4_800) / 16_000
    wobble = pitch * (1 + 0.2 * rng.standard_normal())
    return (0.3 * np.sin(2 * np.pi * wobble * t) + 0.1 * rng.standard_normal(len(t))).astype(np.float32)


def a_corpus(n: int = 72) -> LabelledCorpus:
    labels = tuple(SCHEME.classes[i % 3] for i in range(n))
    clips = tuple(
        Clip(f"clip-{i}", 0.3, f"speaker-{i // 3 % 6}", lambda i=i, label=label: tone(i, PITCH[label]))
        for i, label in enumerate(labels)
    )
    splits = tuple("test" if clip.speaker == "speaker-5" else "train" for clip in clips)
    return LabelledCorpus("tones", SCHEME, clips, labels, tuple(clip.speaker for clip in clips), splits, ())


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("whisper")))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


def result_of(plan: SimulationPlan, corpus: LabelledCorpus, encoder: SpeechEncoder, store: FeatureStore) -> Any:
    *_, last = simulate(plan, corpus, encoder, store)
    return last.result


def without_seconds(result: Any) -> str:
    stripped = json.loads(json.dumps(result))
    del stripped["full"]["seconds"]
    for point in stripped["points"]:
        for key in [key for key in point if key.startswith("seconds")]:
            del point[key]
    return json.dumps(stripped)


def test_the_result_is_the_documented_json(encoder, store) -> None:
    result = result_of(PLAN, a_corpus(), encoder, store)
    assert set(result) == KEYS
    assert result["corpus"] == "tones"
    assert result["scheme"] == ["high", "low", "middle"]
    assert set(result["full"]) == {"uar", "wa", "ccc", "seconds"}
    assert set(result["aulc"]) == {"random", "margin", "coverage_then_margin"}
    assert len(result["points"]) == 2 * 3 * 3
    assert all(set(point) == POINT_KEYS for point in result["points"])
    json.dumps(result, allow_nan=False)


def test_labels_are_counted_as_shares_of_the_pool_and_no_round_is_smaller_than_asked(encoder, store) -> None:
    points = result_of(PLAN, a_corpus(), encoder, store)["points"]
    own = [point for point in points if point["strategy"] == "margin" and point["seed"] == 0]
    assert [point["round"] for point in own] == [0, 1, 2]
    assert [point["n_labels"] for point in own] == [5, 14, 29]  # of 48 clips of four speakers


def test_the_same_seed_gives_the_same_result_apart_from_the_seconds(encoder, store, tmp_path: Path) -> None:
    warm = result_of(PLAN, a_corpus(), encoder, store)
    cold = result_of(PLAN, a_corpus(), encoder, FeatureStore(tmp_path))
    assert without_seconds(warm) == without_seconds(cold)


def test_more_labels_teach_more_and_all_of_them_most(encoder, store) -> None:
    result = result_of(PLAN, a_corpus(), encoder, store)
    uars = [np.mean([point["uar"] for point in result["points"] if point["round"] == number]) for number in range(3)]
    assert uars[0] < uars[2]
    assert result["full"]["uar"] > 0.8


def test_strategies_that_begin_at_random_begin_alike(encoder, store) -> None:
    points = result_of(PLAN, a_corpus(), encoder, store)["points"]
    first = {(p["strategy"], p["seed"]): p["uar"] for p in points if p["round"] == 0}
    assert first["random", 0] == first["margin", 0]
    assert first["random", 1] == first["margin", 1]


def test_every_strategy_runs_and_a_modal_callable_too(encoder, store) -> None:
    path = "modAL.batch:uncertainty_batch_sampling"
    plan = replace(PLAN, strategies=(*map(parse_strategy, NAMES), Modal(path)), n_seeds=1, fractions=(0.2, 0.4))
    assert list(result_of(plan, a_corpus(), encoder, store)["aulc"]) == [*NAMES, path]


def test_the_encoder_adapts_to_the_pool_of_each_fold_and_never_hears_a_test_speaker(encoder, store) -> None:
    heard: list[tuple[set[str | None], set[str | None], int]] = []

    def adapt(
        given: SpeechEncoder, pool: Sequence[Clip], held_out: Sequence[Clip], seed: int
    ) -> tuple[SpeechEncoder, float]:
        heard.append(({clip.speaker for clip in pool}, {clip.speaker for clip in held_out}, seed))
        return given, 1.5

    *_, last = simulate(PLAN, a_corpus(), encoder, store, adapt)
    assert [seed for _, _, seed in heard] == [0, 1]
    for pool, held_out, _ in heard:
        assert (len(pool), len(held_out)) == (4, 2)
        assert not pool & held_out
    assert last.result is not None
    assert {point["seconds_tapt"] == 1.5 for point in last.result["points"] if point["round"] == 0} == {True}


def test_the_manifest_s_test_split_is_used_when_no_speakers_are_drawn(encoder, store) -> None:
    plan = replace(PLAN, test_speakers=None, n_seeds=1, fractions=(0.5,))
    points = result_of(plan, a_corpus(), encoder, store)["points"]
    assert {point["n_labels"] for point in points} == {30}  # of 60 clips of five speakers


def test_last_k_is_trained_in_every_round_with_a_dev_speaker_of_its_own(encoder, store) -> None:
    plan = SimulationPlan(Recipe(method=LastK(k=1), epochs=2), (Random(),), 1, (0.3, 0.6), test_speakers=2)
    points = result_of(plan, a_corpus(), encoder, store)["points"]
    assert [point["n_labels"] for point in points] == [11, 22]  # of 36 clips of three speakers
    assert all(point["seconds_train"] > 0 for point in points)


def test_labels_of_one_class_only_are_evaluated_as_what_they_know(encoder, store) -> None:
    """Nothing can be trained yet: every test clip is given that class, which is chance."""
    corpus = a_corpus()
    rare = tuple("low" if i % 24 else "high" for i in range(72))
    lopsided = replace(corpus, scheme=Scheme(("high", "low")), labels=rare)
    plan = replace(PLAN, strategies=(Random(),), fractions=(0.02, 1.0), test_speakers=1, n_seeds=1)
    first = result_of(plan, lopsided, encoder, store)["points"][0]
    assert (first["n_labels"], first["uar"]) == (1, 0.5)


PITCHED = Dimension("pitch", 2, 4)


def with_pitch(corpus: LabelledCorpus, scheme: Scheme) -> LabelledCorpus:
    """The same tones with their pitch, on a logarithmic scale, as a dimension."""
    values = np.array([[np.log10(PITCH[label or ""])] for label in corpus.labels], dtype=np.float32)
    labels = corpus.labels if scheme.classes else (None,) * len(corpus.clips)
    return replace(corpus, scheme=scheme, labels=labels, dimensions=values)


def test_dimensions_are_learned_beside_classes(encoder, store) -> None:
    corpus = with_pitch(a_corpus(), Scheme(SCHEME.classes, (PITCHED,)))
    plan = replace(PLAN, strategies=(Margin(),), n_seeds=1, fractions=(0.6,))
    result = result_of(plan, corpus, encoder, store)
    assert result["dimensions"] == ["pitch"]
    assert result["points"][0]["uar"] > 0.6
    assert result["points"][0]["ccc"]["pitch"] > 0.6
    assert result["full"]["ccc"]["pitch"] > 0.6
    assert result["aulc"]["margin"]["mean"] == result["points"][0]["uar"]


def test_a_scheme_of_dimensions_alone_is_simulated_with_what_reads_no_probabilities(encoder, store) -> None:
    corpus = with_pitch(a_corpus(), Scheme((), (PITCHED,)))
    plan = replace(PLAN, strategies=(Random(), CoverageThenMargin()), n_seeds=1, fractions=(0.02, 0.4))
    result = result_of(plan, corpus, encoder, store)
    assert [point["uar"] for point in result["points"]] == [None] * 4
    assert [point["ccc"]["pitch"] for point in result["points"]][::2] == [0.0, 0.0], "of one label nothing is learned"
    assert min(point["ccc"]["pitch"] for point in result["points"][1::2]) > 0.4
    assert result["full"]["uar"] is None
    json.dumps(result, allow_nan=False)
    with pytest.raises(StrategyError, match="margin reads class probabilities"):
        result_of(replace(plan, strategies=(Margin(),)), corpus, encoder, store)


def test_progress_is_counted_to_the_end_and_only_the_last_report_carries_the_result(encoder, store) -> None:
    reports = list(simulate(PLAN, a_corpus(), encoder, store))
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    assert reports[-1].done == reports[-1].total == 2 * (1 + 3 * 3)
    assert [report.result is None for report in reports] == [True] * (len(reports) - 1) + [False]


def test_the_area_under_the_curve_is_its_mean_height() -> None:
    assert area_under_curve([0.1, 0.2, 0.4], [0.5, 0.7, 0.7]) == pytest.approx((0.1 * 0.6 + 0.2 * 0.7) / 0.3)
    assert area_under_curve([0.2], [0.6]) == 0.6


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fractions": ()}, "above 0"),
        ({"fractions": (0.1, 1.2)}, "up to 1"),
        ({"fractions": (0.2, 0.1)}, "must rise"),
        ({"strategies": ()}, "at least one strategy"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SimulationError, match=sentence):
        replace(PLAN, **change)


def test_strategies_of_dimensions_and_wrappers_run_and_are_filed_under_their_names(encoder, store) -> None:
    corpus = replace(with_pitch(a_corpus(), Scheme(SCHEME.classes, (PITCHED,))), texts=("a", "b") * 36)
    strategies = (Ctial(), GreedyY(), DropoutVariance(passes=3), Constrained(Bald(passes=3), per_speaker=12))
    plan = replace(PLAN, strategies=strategies, n_seeds=1, fractions=(0.2, 0.5))
    result = result_of(plan, corpus, encoder, store)
    assert list(result["aulc"]) == ["ctial", "greedy_y", "dropout_variance", "constrained(bald)"]
    assert all(point["n_labels"] == (10 if point["round"] == 0 else 24) for point in result["points"])
