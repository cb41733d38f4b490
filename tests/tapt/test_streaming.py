"""Audio is streamed: whatever the corpus holds, a run has the clips of one minibatch in memory and no others."""

import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from al_core.audio import Waveform
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip
from tapt.pretrain import pretrain
from tapt.recipe import Contrastive, LocalAttributes, MaskedUnits, Objective, TaptRecipe

CLIPS, A_MINIBATCH = 24, 4


class Held:
    """How many waveforms of its clips are in memory, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def load(self, seed: int) -> Waveform:
        tilts = np.random.default_rng(seed).standard_normal((5, 1600)).cumsum(1)
        waveform = (0.02 * tilts / tilts.std(1, keepdims=True)).ravel().astype(np.float32)
        self.now += 1
        self.most = max(self.most, self.now)
        weakref.finalize(waveform, self._forget)
        return waveform

    def _forget(self) -> None:
        self.now -= 1


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("tiny") / "whisper", width=16, n_layers=2))


@pytest.mark.parametrize(
    "objective",
    [
        MaskedUnits(units=4, stages=2),
        Contrastive(entries=4, negatives=5, quantiser_warmup_share=0.0),
        LocalAttributes(attributes=4, width=16, heads=4, blocks=1),
    ],
    ids=lambda objective: objective.kind,
)
def test_no_more_clips_are_in_memory_than_a_minibatch_has(
    whisper: SpeechEncoder, objective: Objective, tmp_path: Path
) -> None:
    held = Held()
    clips = [Clip(f"{i:02d}", 0.5, None, partial(held.load, i)) for i in range(CLIPS)]
    recipe = TaptRecipe(objective, steps=8, seconds_per_step=A_MINIBATCH * 0.5)
    *_, last = pretrain(recipe, whisper, clips, tmp_path)
    assert last.seconds_audio > CLIPS * 0.5, "every clip was heard, and some twice"
    assert 0 < held.most <= A_MINIBATCH
    assert held.now == 0
