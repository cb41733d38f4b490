"""When a loss has run away."""

import pytest

from al_core.training.divergence import PATIENCE, TIMES, Watch


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_has_diverged_at_once(bad):
    watch = Watch()
    assert not watch.diverged(1.0)
    assert watch.diverged(bad)
    assert watch.describe(bad) == "the loss is not a number"


def test_a_high_loss_diverges_only_after_many_steps_in_a_row():
    watch = Watch()
    assert not watch.diverged(2.0)
    high = TIMES * 2.0 + 1
    assert not any(watch.diverged(high) for _ in range(PATIENCE - 1))
    assert not watch.diverged(1.0)
    assert [watch.diverged(high) for _ in range(PATIENCE)] == [False] * (PATIENCE - 1) + [True]
    assert watch.describe(high) == f"the loss is 41 and was above 20 times its start (2) for {PATIENCE} steps"


def test_a_start_near_0_is_no_reason_to_stop_at_an_honest_loss():
    """A head that starts as a probe may fit its clips perfectly."""
    watch = Watch()
    assert not any(watch.diverged(loss) for loss in [1e-4] + [5.0] * 100)
