"""The loop over epochs and steps of a method that trains a network."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from al_core.peft import methods
from al_core.peft.tuned import TunedClassifier
from al_core.precision import compute_dtype
from al_core.processes.team import Team
from al_core.recipe import resolve_learning_rate
from al_core.training.descent import Descent
from al_core.training.early_stopping import DevFigures, dev_figures
from al_core.training.errors import DivergedError
from al_core.training.gradients import Gradients
from al_core.training.head_start import start_head
from al_core.training.minibatches import epoch_steps, n_steps
from al_core.training.parallel import assemble
from al_core.training.progress import Progress
from al_core.training.randomness import seeded
from al_core.training.report import StepReport
from al_core.training.run import Run
from al_core.training.state import StateFolder
from al_core.training.weights import restore, trainable


def tune(run: Run) -> Iterator[StepReport]:
    """Fine-tune a network; see `al_core.train.fine_tune`."""
    # Asked first, so that a recipe this machine cannot run is refused before any audio is embedded.
    compute_dtype(run.recipe.precision, run.device)
    state = StateFolder.of(run)
    packed = state.load()
    with seeded(run.device, run.recipe.seed, 0):
        classifier = methods.untrained(run.recipe, run.scheme, run.encoder, run.store, run.first)
    network, frames = classifier.network, classifier.frames
    told = _Told(sum(weight.numel() for weight in trainable(network).values()), packed["seconds"] if packed else 0.0)

    for done in frames.prepare([*run.train.clips, *(run.dev.clips if run.dev else ())]):
        yield told.embedding(done.done, done.total)
    descent = Descent.begin(Gradients.of(run, network, frames))
    if packed is None:
        for n_done in start_head(classifier, run.train):
            yield told.embedding(n_done, len(run.train))
        progress = Progress.begin(network, descent, _figures(run, classifier))
    else:
        progress = Progress.unpack(network, descent, packed)
    with assemble(run, network) as team:
        yield from _epochs(run, classifier, progress, state, team, told)

    yield _last(classifier, progress, told)


def _epochs(
    run: Run, classifier: TunedClassifier, progress: Progress, state: StateFolder, team: Team, told: "_Told"
) -> Iterator[StepReport]:
    """From where the run stands to its last epoch."""
    per_epoch = n_steps(run.recipe, len(run.train))
    steps = run.recipe.epochs * per_epoch
    first = progress.step // per_epoch + 1
    for epoch in range(first, run.recipe.epochs + 1):
        if progress.kept.exhausted(epoch - 1, run.recipe.patience):
            return
        for minibatches in epoch_steps(run.recipe, run.train.clips, epoch)[progress.step % per_epoch :]:
            order = progress.descent.order(progress.step + 1, epoch, minibatches)
            team.tell(order)
            progress.loss = progress.descent.step(order, team.ranks)
            progress.step += 1
            progress.seconds = told.seconds
            if progress.watch.diverged(progress.loss):
                raise _diverged(classifier, progress, told, epoch)
            if progress.step < epoch * per_epoch:
                told.warning = state.write_when_due(progress, "step")
                yield told.step(progress, epoch, steps)

        if not _finite(classifier, run):
            raise _diverged(classifier, progress, told, epoch)
        figures = _figures(run, classifier)
        if progress.kept.beaten_by(figures):
            progress.keep(epoch, figures)
        progress.seconds = told.seconds
        last = epoch == run.recipe.epochs or progress.kept.exhausted(epoch, run.recipe.patience)
        told.warning = state.write_when_due(progress, "run" if last else "epoch")
        yield told.step(progress, epoch, steps, figures)


@dataclass(slots=True)
class _Told:
    """What the reports of a run have in common."""

    n_trainable: int
    seconds_before: float
    warning: str | None = None
    _began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self._began

    def embedding(self, done: int, total: int) -> StepReport:
        return StepReport("embed", 0, done, total, None, None, self.seconds, self.n_trainable)

    def step(
        self,
        progress: Progress,
        epoch: int,
        steps: int,
        figures: DevFigures | None = None,
        classifier: TunedClassifier | None = None,
    ) -> StepReport:
        figures = DevFigures() if figures is None else figures
        warning, self.warning = self.warning, None
        return StepReport(
            stage="train" if classifier is None else "done",
            epoch=epoch,
            step=progress.step,
            steps=steps,
            loss=progress.loss,
            dev_uar=figures.uar,
            dev_ccc=figures.ccc,
            seconds=self.seconds,
            n_trainable=self.n_trainable,
            classifier=classifier,
            warning=warning,
        )


def _figures(run: Run, classifier: TunedClassifier) -> DevFigures:
    return dev_figures(classifier.predict(run.dev.clips), run.dev) if run.dev else DevFigures()


def _finite(classifier: TunedClassifier, run: Run) -> bool:
    """Whether the weights still say anything: a step may spoil them after its own loss was computed."""
    predicted = classifier.predict(run.train.clips[:1])
    return bool(np.isfinite(predicted.probabilities).all() and np.isfinite(predicted.dimensions).all())


def _last(classifier: TunedClassifier, progress: Progress, told: _Told) -> StepReport:
    """The report a run ends with: its network has the best weights again."""
    restore(classifier.network, progress.kept.weights)
    classifier.network.eval()
    return told.step(progress, progress.kept.epoch, progress.step, progress.kept.figures, classifier=classifier)


def _diverged(classifier: TunedClassifier, progress: Progress, told: _Told, epoch: int) -> DivergedError:
    rate = resolve_learning_rate(classifier.recipe)
    return DivergedError(
        f"{progress.watch.describe(progress.loss)} in epoch {epoch}, step {progress.step}: "
        f"lower recipe.learning_rate (now {rate}). The weights of epoch {progress.kept.epoch} are kept",
        _last(classifier, progress, told),
    )
