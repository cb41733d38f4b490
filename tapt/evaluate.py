"""Did it help? A probe before and after, on labelled speech, paired over speaker-disjoint folds."""

import importlib.metadata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from al_core.encoders import SpeechEncoder
from al_core.evaluation.metrics import MetricError, ccc, uar
from al_core.features import FeatureStore, embed
from al_core.peft.probe import ProbeClassifier, feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from al_core.targets import LabelledClips, TargetError
from tapt.evaluate_folds import (
    EvaluationFold,
    LabelledSpeech,
    TaptEvaluationError,
    check_heard,
    draw_folds,
    mean_overlap,
    share_of,
    values_of,
)
from tapt.paired import Paired, paired
from tapt.promotion import Figure

VERSIONS = ("torch", "transformers", "scikit-learn", "numpy")


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What is measured.

    Attributes:
        recipe: of the probe; its layer and seed are replaced.
        layers: hidden states that are read, −1 the last of each encoder.
        fractions: labelled shares of a fold's clips that teach the probe.
        seeds: folds, seeds 0 … seeds − 1.
    """

    recipe: Recipe
    layers: tuple[int, ...]
    fractions: tuple[float, ...] = (1.0,)
    seeds: int = 5

    def __post_init__(self) -> None:
        if not self.layers:
            raise TaptEvaluationError("name at least one layer")
        if not self.fractions or any(not 0 < fraction <= 1 for fraction in self.fractions):
            raise TaptEvaluationError("fractions must lie above 0 and up to 1, for example 0.1,0.2,1")
        if self.seeds < 1:
            raise TaptEvaluationError(f"seeds is {self.seeds}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class EvaluationPoint:
    """One probe before and one after, on the same fold with the same labels."""

    seed: int
    layer: int
    fraction: float
    n_labels: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """All folds of a layer and a share of the labels; `n_labels` is the mean over folds."""

    layer: int
    fraction: float
    n_labels: float
    paired: Paired


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What a comparison found.

    Attributes:
        figure: UAR, or the mean CCC over the dimensions of a scheme without classes.
        rows: layer by layer, share by share.
        points: what the rows are means of.
        notes: sentences a reader of the figures should know.
        n_clips, n_speakers: labelled ones.
    """

    figure: Figure
    rows: tuple[EvaluationRow, ...]
    points: tuple[EvaluationPoint, ...]
    notes: tuple[str, ...]
    n_clips: int
    n_speakers: int


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """How far a comparison has come; the last report carries the result."""

    stage: str
    done: int
    total: int
    result: EvaluationResult | None = None


def compare(
    plan: EvaluationPlan,
    before: SpeechEncoder,
    after: SpeechEncoder,
    speech: LabelledSpeech,
    heard: Collection[str],
    store: FeatureStore,
) -> Iterator[EvaluationReport]:
    """Fit the same probe on the frames of both encoders and test it on the same speakers.

    Args:
        plan: what is measured.
        before, after: the encoders.
        speech: labelled clips.
        heard: keys of the clips TAPT trained on.
        store: features, reused between runs.

    Yields:
        Progress; the last report carries the result.

    Raises:
        TaptHeardError: TAPT heard a dev or test clip, or every speaker.
        TaptEvaluationError: the clips cannot be divided, or a probe cannot be fitted or tested on them.
        FeatureError: a clip cannot be embedded, or a layer does not exist.
    """
    check_heard(speech, heard)
    folds, notes = draw_folds(speech, heard, plan.seeds)
    for name, encoder in (("before", before), ("after", after)):
        specs = [feature_spec(replace(plan.recipe, layer=layer), encoder) for layer in plan.layers]
        for report in embed(encoder, store, list(dict.fromkeys(specs)), speech.known.clips):
            yield EvaluationReport(f"embed {name}", report.done, report.total)
    points: list[EvaluationPoint] = []
    total = len(folds) * len(plan.layers) * len(plan.fractions)
    for seed, fold in enumerate(folds):
        for layer in plan.layers:
            recipe = replace(plan.recipe, layer=layer, seed=seed)
            first = probe_figures(recipe, before, speech, fold, plan.fractions, seed, store)
            second = probe_figures(recipe, after, speech, fold, plan.fractions, seed, store)
            for fraction, (n, a), (_, b) in zip(plan.fractions, first, second, strict=True):
                points.append(EvaluationPoint(seed, layer, fraction, n, a, b))
            yield EvaluationReport("probe", len(points), total)
    yield EvaluationReport("done", total, total, _result(plan, speech, folds, points, notes))


def probe_figures(
    recipe: Recipe,
    encoder: SpeechEncoder,
    speech: LabelledSpeech,
    fold: EvaluationFold,
    fractions: Sequence[float],
    seed: int,
    store: FeatureStore,
) -> list[tuple[int, float]]:
    """(number of labels, figure on the fold's test clips) of a probe at each share of the fold's pool.

    Raises:
        TaptEvaluationError: a probe cannot be fitted on these labels, or tested on these clips.
    """
    assert isinstance(recipe.method, Probe), "an evaluation's recipe is a probe's"
    found = []
    test = speech.part(fold.test)
    for fraction in fractions:
        chosen = share_of(speech.classes, fold.pool, fraction, seed)
        train = speech.part(chosen)
        try:
            probe = ProbeClassifier.fit(
                recipe, speech.scheme, encoder, store, train, speech.part(fold.pool).clips, recipe.method
            )
            found.append((len(chosen), _figure(probe, test, speech, fold)))
        except (MetricError, TargetError) as error:
            raise TaptEvaluationError(f"the probe on {len(chosen)} labels cannot be measured: {error}") from error
    return found


def _figure(probe: ProbeClassifier, test: LabelledClips, speech: LabelledSpeech, fold: EvaluationFold) -> float:
    """UAR over the scheme's classes, or the mean CCC of its dimensions where it has no classes."""
    told = probe.predict(test.clips)
    if speech.scheme.classes:
        classes = speech.classes[fold.test]
        known = classes >= 0
        return uar(classes[known], told.probabilities.argmax(axis=1)[known], len(speech.scheme))
    truth = values_of(speech, fold.test)  # (n, m)
    known = np.isfinite(truth)
    return float(np.mean([ccc(truth[known[:, k], k], told.dimensions[known[:, k], k]) for k in range(truth.shape[1])]))


def _result(
    plan: EvaluationPlan,
    speech: LabelledSpeech,
    folds: Sequence[EvaluationFold],
    points: Sequence[EvaluationPoint],
    notes: Sequence[str],
) -> EvaluationResult:
    rows = []
    for layer in plan.layers:
        for fraction in plan.fractions:
            own = [point for point in points if (point.layer, point.fraction) == (layer, fraction)]
            found = paired([one.before for one in own], [one.after for one in own], mean_overlap(folds))
            rows.append(EvaluationRow(layer, fraction, float(np.mean([one.n_labels for one in own])), found))
    same = [layer for layer in plan.layers if all(p.before == p.after for p in points if p.layer == layer)]
    side_by_side = isinstance(plan.recipe.method, Probe) and plan.recipe.method.layers
    named = ["what is read" if side_by_side else f"layer {layer}" for layer in same]
    unmoved = [f"{name} tells both encoders apart nowhere: TAPT did not change it" for name in named]
    return EvaluationResult(
        figure="UAR" if speech.scheme.classes else "CCC",
        rows=tuple(rows),
        points=tuple(points),
        notes=(*notes, *unmoved),
        n_clips=len(speech.known),
        n_speakers=len(set(speech.groups) - {None}),
    )


def result_to_dict(result: EvaluationResult, before: SpeechEncoder, after: SpeechEncoder) -> dict[str, Any]:
    """A result as plain JSON values, with the encoders and the versions that made it."""
    return {
        "figure": result.figure,
        "before": {"encoder": before.source, "digest": before.digest},
        "after": {"encoder": after.source, "digest": after.digest},
        "clips": result.n_clips,
        "speakers": result.n_speakers,
        "notes": list(result.notes),
        "rows": [
            {"layer": row.layer, "fraction": row.fraction, "n_labels": row.n_labels, **asdict(row.paired)}
            for row in result.rows
        ],
        "points": [asdict(point) for point in result.points],
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
    }
