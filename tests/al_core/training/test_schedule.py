"""The learning rate over a run."""

import numpy as np
import pytest

from al_core.training.schedule import rate_share


@pytest.mark.parametrize("steps", [1, 2, 7, 300])
def test_the_learning_rate_rises_over_a_tenth_of_the_steps_then_falls_and_no_step_is_wasted_on_zero(steps):
    shares = np.array([rate_share(step, steps) for step in range(steps)])
    peak = int(shares.argmax())
    assert (shares > 0).all()
    assert shares.max() == pytest.approx(1.0, abs=0.02)
    assert peak <= 0.1 * steps
    assert (np.diff(shares[: peak + 1]) > 0).all()
    assert (np.diff(shares[peak:]) < 0).all()
    assert rate_share(steps, steps) == 0
