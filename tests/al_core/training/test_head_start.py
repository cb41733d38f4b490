"""Where a head that does not start as a probe begins: on frames of one size, from which it learns in a few epochs."""

import numpy as np
import pytest
import torch

from al_core.peft import methods
from al_core.peft.specs import LastK, Lora, Trained, WeightedSum
from al_core.recipe import Recipe
from al_core.train import fine_tune
from al_core.training.head_start import start_head


@pytest.mark.parametrize("method", [Lora(), LastK(k=1), WeightedSum()], ids=lambda m: m.kind)
@pytest.mark.parametrize("family", ["whisper", "wav2vec2", "wavlm-stable"])
def test_a_convolutional_head_tells_low_from_high_voices_at_its_own_learning_rate(
    method: Trained, family, without_dropout, store, voices, schemes
):
    """Whisper's random columns differ in size by far more than two voices do."""
    recipe = Recipe(method=method, head="conv", epochs=10, minibatch=8)
    scheme = schemes["classes"]
    *_, last = fine_tune(recipe, scheme, without_dropout(family), store, voices(0, 24), voices(60, 12))
    assert last.dev_uar is not None
    assert last.dev_uar >= 0.9


def test_a_convolutional_head_standardises_by_every_frame_of_the_training_clips(
    with_dropout, store, voices, schemes
) -> None:
    train = voices(0, 7)
    classifier = methods.untrained(Recipe(method=Lora(), head="conv"), schemes["classes"], with_dropout, store)
    assert list(start_head(classifier, train))[-1] == 7
    frames = []
    for clip in train.clips:
        hidden, frame_mask = with_dropout.front_end(with_dropout.prepare([clip.load()]))
        with torch.no_grad():
            frames.append(with_dropout.run(hidden, frame_mask)[-1][0].numpy())
    every = np.concatenate(frames).astype(np.float64)
    trunk = classifier.network.head.trunk
    np.testing.assert_allclose(trunk.mean, every.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(trunk.scale, every.std(axis=0), rtol=1e-4)
