from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.encoders import open_encoder
from al_core.encoders.fresh import FRESH_FAMILIES, FreshFamily, build_fresh


@pytest.mark.parametrize("family", FRESH_FAMILIES)
def test_a_fresh_encoder_opens_and_has_fifty_frames_a_second(family: FreshFamily, tmp_path: Path) -> None:
    encoder = open_encoder(build_fresh(family, tmp_path / "one", width=64, n_layers=2))
    assert (encoder.family, encoder.n_layers, encoder.hidden_size) == (family, 2, 64)
    assert encoder.frame_counts([16_000, 160_000]) == [47, 497]
    hidden, mask = encoder.front_end(encoder.prepare([np.sin(np.arange(16_000) / 20).astype(np.float32)]))
    assert hidden.shape == (1, 47, 64) and bool(mask.all())


def test_its_weights_are_the_seeds_and_nobody_elses_draws_move(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    same = [open_encoder(build_fresh("hubert", tmp_path / name, seed=3, width=64, n_layers=1)).digest for name in "ab"]
    assert torch.equal(before, torch.get_rng_state())
    other = open_encoder(build_fresh("hubert", tmp_path / "c", seed=4, width=64, n_layers=1)).digest
    assert same[0] == same[1] != other
