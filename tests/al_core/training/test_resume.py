"""A killed run goes on where it was and ends with the weights of an unbroken one: dropout on, every kind of method."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from al_core.encoders import SpeechEncoder
from al_core.features import FeatureStore
from al_core.peft.specs import Adapter, Combined, Full, Gate, LastK, Lora, Method, Probe, WeightedSum
from al_core.recipe import Augment, Recipe, recipe_to_dict
from al_core.resumable_state import newest_state
from al_core.targets import LabelledClips
from al_core.train import TrainResumeError, drop_states, fine_tune
from al_core.training import state as states
from al_core.training.weights import snapshot

METHODS: tuple[Method, ...] = (LastK(k=2), Lora(rank=4, dropout=0.3), Adapter(width=8, dropout=0.2), Full())
EPOCHS, PER_EPOCH = 3, 4


def recipe_of(method: Method) -> Recipe:
    return Recipe(method=method, epochs=EPOCHS, minibatch=3, learning_rate=2e-3)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every step, whatever it costs."""
    monkeypatch.setattr(states, "EVERY_S", 0.0)
    monkeypatch.setattr(states, "SHARE", float("inf"))


@pytest.fixture
def disk_of_64_kb() -> Iterator[None]:
    """No file of this process may grow past 64 kB: what a full disk looks like to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


class Trial:
    """Runs of one recipe on the same clips, from one encoder."""

    def __init__(self, recipe, scheme, encoder: SpeechEncoder, store: FeatureStore, train, dev) -> None:
        self.recipe, self.scheme, self.encoder, self.store, self.train, self.dev = (
            recipe, scheme, encoder, store, train, dev,
        )  # fmt: skip

    def run(self, state: Path | None, **others):
        given = {"recipe": self.recipe, "train": self.train, "dev": self.dev} | others
        return fine_tune(
            given["recipe"], self.scheme, self.encoder, self.store, given["train"], given["dev"], state=state
        )

    def end(self, state: Path | None = None) -> tuple[dict[str, Tensor], list]:
        """Weights and reports of a run that is seen through."""
        told = list(self.run(state))
        return snapshot(told[-1].classifier.network), told

    def killed(self, state: Path, after: int) -> None:
        """A run that is dropped after so many steps."""
        run = self.run(state)
        for report in run:
            if report.stage == "train" and report.step == after:
                break
        run.close()


@pytest.fixture
def trial_of(with_dropout, store, voices, schemes):
    def made(recipe: Recipe, scheme: str = "classes") -> Trial:
        held = schemes[scheme]
        return Trial(recipe, held, with_dropout, store, voices(0, 12, held), voices(20, 6, held))

    return made


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


# One method that reads cached frames, one that does not; what the others' states hold is compared step by step below.
@pytest.mark.slow
@pytest.mark.parametrize("method", [LastK(k=2), Full()], ids=lambda m: m.kind)
def test_a_process_killed_twice_at_random_steps_ends_with_the_weights_of_an_unbroken_one(method, trial_of, tmp_path):
    trial = trial_of(recipe_of(method))
    unbroken, _ = trial.end()
    started = []
    rng = random.Random(repr(method))
    for _ in range(2):
        started.append(kill_after(rng.randrange(1, 5), trial, tmp_path, pause_s=rng.uniform(0, 0.03)))
    found = newest_state(tmp_path / "run")
    assert found is not None
    assert int(found.name.removeprefix("step-")) > 1
    assert started[1] > started[0] == 1, "the second process went on from the first one's state"
    resumed, told = trial.end(tmp_path / "run")
    assert next(r.step for r in told if r.stage == "train") > 1
    assert_same(resumed, unbroken)


KILLED = """
import json, sys
from functools import partial
from pathlib import Path
import numpy as np
import torch
from al_core.audio import decode
from al_core.encoders import open_encoder
from al_core.features import Clip, FeatureStore
from al_core.recipe import recipe_from_dict
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from al_core.train import fine_tune
from al_core.training import state

told = json.loads(sys.argv[1])
torch.set_num_threads(1)
state.EVERY_S, state.SHARE = 0.0, float("inf")

def labelled(part):
    clips = tuple(Clip(key, s, speaker, partial(decode, Path(path))) for key, s, speaker, path in part["clips"])
    return LabelledClips(clips, np.array(part["targets"], dtype=np.float32))

run = fine_tune(
    recipe_from_dict(told["recipe"]), Scheme(tuple(told["classes"])), open_encoder(told["encoder"]),
    FeatureStore(Path(told["store"])), labelled(told["train"]), labelled(told["dev"]), state=Path(told["state"]),
)
for report in run:
    if report.stage == "train":
        print(report.step, flush=True)
"""


def kill_after(n: int, trial: Trial, folder: Path, pause_s: float) -> int:
    """Train in another process and kill it -9 while it works on the step after its n-th; returns its first step."""
    told = {
        "recipe": recipe_to_dict(trial.recipe),
        "classes": trial.scheme.classes,
        "encoder": str(trial.encoder.source),
        "store": str(trial.store.root),
        "state": str(folder / "run"),
        "train": plain(trial.train),
        "dev": plain(trial.dev),
    }
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(told)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    with process.stdout:
        steps = [int(process.stdout.readline()) for _ in range(n)]
        time.sleep(pause_s)
        process.kill()
    assert process.wait() == -signal.SIGKILL, "it was still at work"
    return steps[0]


def plain(labelled: LabelledClips) -> dict:
    clips = [[c.key, c.duration_s, c.speaker, str(c.load.args[0])] for c in labelled.clips]
    return {"clips": clips, "targets": labelled.targets.tolist()}


@pytest.mark.parametrize(
    ("recipe", "scheme"),
    [
        *((recipe_of(method), "classes") for method in METHODS),
        (replace(recipe_of(LastK(k=1)), accumulate=2, epochs=4, cache="off", augment=Augment(snr_low_db=0)), "both"),
        (replace(recipe_of(Combined(parts=(Adapter(), Lora(), WeightedSum(), Gate()))), head="conv"), "classes"),
        (replace(recipe_of(LastK(k=1)), precision="bf16", checkpoint_activations=True), "dimensions"),
    ],
    ids=[*(m.kind for m in METHODS), "accumulate, augment, both", "combined, conv head", "bf16, dimensions"],
)
def test_whichever_step_it_was_stopped_after_the_weights_and_the_kept_epoch_are_the_same(
    recipe, scheme, every_step, trial_of, tmp_path
):
    trial = trial_of(recipe, scheme)
    unbroken, told = trial.end()
    steps = [r.step for r in told if r.stage == "train"]
    for after in (1, PER_EPOCH, steps[-2]):  # before any state but its own, at the end of an epoch, in the last one
        folder = tmp_path / str(after)
        trial.killed(folder, after)
        resumed, again = trial.end(folder)
        assert_same(resumed, unbroken)
        ends = [(r.epoch, r.step, r.loss, r.dev_uar, r.dev_ccc) for r in (told[-1], again[-1])]
        assert ends[0] == ends[1]
        assert [r.step for r in again if r.stage == "train"] == list(range(after + 1, steps[-1] + 1))


def test_a_run_without_dev_resumes_too(every_step, trial_of, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    trial.dev = None
    unbroken, _ = trial.end()
    trial.killed(tmp_path, 6)
    assert_same(trial.end(tmp_path)[0], unbroken)


def test_a_finished_run_is_not_trained_again_until_its_states_are_dropped(trial_of, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    first, told = trial.end(tmp_path)
    again, reports = trial.end(tmp_path)
    assert_same(first, again)
    assert [r for r in reports if r.stage == "train"] == []
    assert reports[-1].seconds > told[-3].seconds, "the seconds before its last state count"
    drop_states(tmp_path)
    assert next(r.step for r in trial.end(tmp_path)[1] if r.stage == "train") == 1


def test_a_state_is_written_after_an_epoch_and_within_one_only_after_minutes(trial_of, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    trial.killed(tmp_path, PER_EPOCH - 1)
    assert newest_state(tmp_path) is None
    trial.killed(tmp_path, PER_EPOCH)
    assert newest_state(tmp_path) == tmp_path / "states" / f"step-{PER_EPOCH:08d}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: {"recipe": replace(t.recipe, learning_rate=0.5)}, r"learning_rate was 0\.002 and is 0\.5"),
        (lambda t: {"recipe": replace(t.recipe, method=LastK(k=2))}, r"method\.k was 1 and is 2"),
        (lambda t: {"train": LabelledClips(t.train.clips, t.train.targets[::-1])}, "training labels are others"),
        (lambda t: {"dev": None}, "dev labels are others"),
    ],
)
def test_the_state_of_another_run_is_refused_and_the_difference_named(change, sentence, trial_of, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    trial.killed(tmp_path, PER_EPOCH)
    with pytest.raises(TrainResumeError, match=sentence):
        list(trial.run(tmp_path, **change(trial)))


def test_the_state_of_another_encoder_or_scheme_is_refused(trial_of, without_dropout, schemes, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    trial.killed(tmp_path, PER_EPOCH)
    trial.encoder = without_dropout("hubert")
    with pytest.raises(TrainResumeError, match="the encoder is another one"):
        trial.end(tmp_path)
    trial.scheme = replace(trial.scheme, classes=("high", "low", "unheard"))
    with pytest.raises(TrainResumeError, match="the scheme is another one"):
        trial.end(tmp_path)


def test_the_order_of_the_clips_makes_no_other_run_and_no_other_weights(trial_of, tmp_path):
    trial = trial_of(recipe_of(LastK(k=1)))
    first, _ = trial.end(tmp_path)
    trial.train = LabelledClips(trial.train.clips[::-1], trial.train.targets[::-1])
    assert_same(trial.end()[0], first)
    assert_same(trial.end(tmp_path)[0], first)


def test_on_a_full_disk_training_goes_on_and_says_so_and_the_last_state_stays(trial_of, tmp_path, request):
    trial = trial_of(recipe_of(LastK(k=2)))
    unbroken, _ = trial.end()
    trial.killed(tmp_path, PER_EPOCH)
    kept = newest_state(tmp_path)
    request.getfixturevalue("disk_of_64_kb")
    weights, told = trial.end(tmp_path)
    assert_same(weights, unbroken)
    warned = [r for r in told if r.warning]
    assert warned
    assert "free the disk. Training goes on" in str(warned[0].warning)
    assert newest_state(tmp_path) == kept
    assert kept is not None


def test_a_probe_keeps_no_state(trial_of, tmp_path):
    list(trial_of(Recipe(method=Probe())).run(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
