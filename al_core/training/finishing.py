"""A semi-supervised finish: fine-tune without the rest of the pool and with it, and keep whichever measures better."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from al_core.evaluation.metrics import confusion, recalls
from al_core.features import Clip
from al_core.leaks import LeakError, check_leaks
from al_core.peft.methods import FineTuned
from al_core.peft.probe import embeddings, normalised
from al_core.resumable_state import STATES
from al_core.semi_supervised.belief import Believed
from al_core.semi_supervised.comparison import Comparison
from al_core.semi_supervised.label_spreading import label_spreading
from al_core.semi_supervised.pseudo_labels import pseudo_labels
from al_core.semi_supervised.specs import Finish, LabelSpreading, PseudoLabels
from al_core.targets import Floats, LabelledClips
from al_core.training.errors import DivergedError, TrainError
from al_core.training.report import Finished, StepReport
from al_core.training.run import Run, by_key
from al_core.training.speaker_folds import clip_groups, nobody_is_known, speaker_folds

Learn = Callable[[Run], Iterator[StepReport]]
Reports = Generator[StepReport, None, StepReport]


def finish(run: Run, learn: Learn) -> Iterator[StepReport]:
    """Fine-tune without the finish, then with it; see `al_core.train.fine_tune`.

    Compared on dev, or without dev by cross-validation over the speakers of the labelled clips, whose unlabelled clips
    are left out with them, or over the clips where nobody is known. Only clips of `run.all_clips` are ever believed:
    dev and test audio is no part of them.

    Args:
        run: whose recipe has a finish.
        learn: fine-tune on a run's labelled clips; the last report carries the classifier.

    Raises:
        TrainError: the unlabelled clips share a speaker or a recording with dev.
    """
    assert run.recipe.finish is not None, "asked for by the recipe"
    _refuse_leaks(run)
    kind = run.recipe.finish.kind
    without, rest = _without(run), _unlabelled(run)
    plain = yield from _last(learn(without))
    if not rest:
        none = Comparison(kind, "without", why="no unlabelled clip is left in the pool")
        yield _told(plain, plain, None, none, to_act_on=False)
        return
    try:
        finished = yield from _finished(run, learn, plain, rest)
        compared = yield from _compare(run, learn, plain, finished)
    except DivergedError as error:
        diverged = Comparison(kind, "without", why=f"it diverged: {error}")
        yield _told(plain, plain, None, diverged, to_act_on=True)
        return
    kept = finished.report if compared.kept == "with" else plain
    yield _told(kept, plain, finished.report, compared, to_act_on=compared.measured_on is None)


@dataclass(frozen=True, slots=True)
class _WithFinish:
    report: StepReport
    n_believed: int


def _refuse_leaks(run: Run) -> None:
    dev = run.dev.clips if run.dev else ()
    try:
        check_leaks({"train": clip_groups((*run.train.clips, *run.all_clips)), "dev": clip_groups(dev)})
    except LeakError as error:
        raise TrainError(f"recipe.finish would learn from dev: {error}") from None


def _without(run: Run) -> Run:
    return replace(_within(run, "without"), recipe=replace(run.recipe, finish=None))


def _within(run: Run, name: str) -> Run:
    """The run with a folder of its own for states, inside the run's, so that both are dropped together."""
    return replace(run, state=None if run.state is None else run.state / STATES / name)


def _unlabelled(run: Run) -> list[Clip]:
    labelled = {clip.key for clip in run.train.clips}
    rest = {clip.key: clip for clip in run.all_clips if clip.key not in labelled}
    return [rest[key] for key in sorted(rest)]


def _last(reports: Iterator[StepReport]) -> Reports:
    """Pass reports on but for the last, which is returned: the run goes on."""
    last: StepReport | None = None
    for report in reports:
        if report.stage == "done":
            last = report
        else:
            yield report
    assert last is not None and last.classifier is not None, "the last report of a run carries its classifier"
    return last


def _finished(
    run: Run, learn: Learn, plain: StepReport, rest: Sequence[Clip]
) -> Generator[StepReport, None, _WithFinish]:
    last, believed = plain, None
    for iteration in range(1, _iterations(run.recipe.finish) + 1):
        assert last.classifier is not None, "the last report of a run carries its classifier"
        believed = _believe(run, last.classifier, rest, iteration)
        taught = _taught(run.train, rest, believed)
        last = yield from _last(learn(replace(_within(run, f"with-{iteration}"), train=taught)))
    assert believed is not None, "there is at least one iteration"
    return _WithFinish(last, len(believed.positions))


def _iterations(finish: Finish | None) -> int:
    return finish.iterations if isinstance(finish, PseudoLabels) else 1


def _believe(run: Run, classifier: FineTuned, rest: Sequence[Clip], iteration: int) -> Believed:
    match run.recipe.finish:
        case PseudoLabels() as chosen:
            return pseudo_labels(chosen, classifier.predict(rest).probabilities, iteration)
        case LabelSpreading() as chosen:
            known = np.flatnonzero(run.train.targets.sum(axis=1) > 0)
            labelled = [run.train.clips[i] for i in known]
            X = _frozen(run, [*labelled, *rest])
            return label_spreading(chosen, X[: len(known)], run.train.targets[known], X[len(known) :])
        case None:
            raise AssertionError("a run without a finish believes nothing")


def _frozen(run: Run, clips: Sequence[Clip]) -> Floats:
    """(n, d) embeddings of the frozen encoder, as a probe of this recipe would read them."""
    read = run.recipe if run.recipe.pooling != "attentive" else replace(run.recipe, pooling="mean")
    return normalised(run.recipe, embeddings(read, run.encoder, run.store, clips), clips)


def _taught(train: LabelledClips, rest: Sequence[Clip], believed: Believed) -> LabelledClips:
    """The labelled clips and the believed ones, whose dimensions nobody knows, in order of their keys."""
    dimensions = train.dimensions
    if dimensions is not None:
        unknown = np.full((len(believed.positions), dimensions.shape[1]), np.nan, np.float32)
        dimensions = np.concatenate([dimensions, unknown])
    own = np.ones(len(train), np.float32) if train.weights is None else train.weights
    return by_key(
        LabelledClips(
            clips=(*train.clips, *(rest[i] for i in believed.positions)),
            targets=np.concatenate([train.targets, believed.targets]),
            dimensions=dimensions,
            weights=np.concatenate([own, believed.weights]),
        )
    )


def _compare(
    run: Run, learn: Learn, plain: StepReport, finished: _WithFinish
) -> Generator[StepReport, None, Comparison]:
    assert run.recipe.finish is not None, "asked for by the recipe"
    kind = run.recipe.finish.kind
    if finished.report.dev_uar is not None and plain.dev_uar is not None:
        return Comparison.of(kind, "dev", finished.report.dev_uar, plain.dev_uar, finished.n_believed)
    figures = yield from _over_speakers(run, learn)
    if figures is None:
        why = (
            "there are no dev clips, and the labelled clips have fewer than two known speakers to compare on: import "
            "dev clips, or label another speaker"
        )
        return Comparison(kind, "without", n_believed=finished.n_believed, why=why)
    return Comparison.of(kind, "clips" if nobody_is_known(run) else "speakers", *figures, finished.n_believed)


def _over_speakers(run: Run, learn: Learn) -> Generator[StepReport, None, tuple[float, float] | None]:
    """UAR with the finish and without, of labelled clips by classifiers that heard nothing of their speakers.

    None where no fold can be made.
    """
    truth: list[int] = []
    with_finish: list[int] = []
    without: list[int] = []
    for number, (fold, test) in enumerate(speaker_folds(run)):
        inner = _within(fold, f"fold-{number}")
        plain = yield from _last(learn(_without(inner)))
        rest = _unlabelled(inner)
        finished = (yield from _finished(inner, learn, plain, rest)).report if rest else plain
        truth += test.targets.argmax(axis=1).tolist()
        with_finish += _said(finished, test)
        without += _said(plain, test)
    if not truth:
        return None
    return _uar(truth, with_finish, len(run.scheme)), _uar(truth, without, len(run.scheme))


def _said(report: StepReport, test: LabelledClips) -> list[int]:
    assert report.classifier is not None, "the last report of a run carries its classifier"
    classes: list[int] = report.classifier.predict(test.clips).probabilities.argmax(axis=1).tolist()
    return classes


def _uar(truth: Sequence[int], said: Sequence[int], n_classes: int) -> float:
    return float(np.nanmean(recalls(confusion(np.array(truth), np.array(said), n_classes))))


def _told(
    kept: StepReport, plain: StepReport, finished: StepReport | None, compared: Comparison, *, to_act_on: bool
) -> StepReport:
    """The last report of the whole run: the kept classifier's, the other one beside it, and the seconds of all.

    What the comparison says is a warning where an operator can act on it, otherwise a note.
    """
    assert plain.classifier is not None, "the last report of a run carries its classifier"
    told = Finished(compared, plain.classifier, None if finished is None else finished.classifier)
    seconds = plain.seconds + (0.0 if finished is None else finished.seconds)
    last = replace(kept, finished=told, seconds=seconds)
    return replace(last, warning=compared.sentence) if to_act_on else replace(last, note=compared.sentence)
