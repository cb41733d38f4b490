"""A round whose recipe has a finish: both classifiers are stored and measured, and the round says which is kept."""

from typing import Any

import pytest

from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.semi_supervised.specs import PseudoLabels


def test_a_finish_is_compared_on_dev_and_both_classifiers_are_measured_on_test(make: Any) -> None:
    made = make(Scheme(("high", "low")), recipe=Recipe(layer=1, finish=PseudoLabels(iterations=1)))
    turn = made.round()
    assert turn.state == "finished", turn.error
    (warning,) = turn.warnings
    told = made.checkpoint().report["finish"]
    assert warning == f"strategy arm: {told['sentence']}"
    assert told["measured_on"] == "dev" and told["n_believed"] == 12  # the unlabelled half of the training clips
    assert (made.settings.data / told["other"] / "manifest.json").is_file()
    kept = told["test"]["uar_with" if told["kept"] == "with" else "uar_without"]
    assert kept == pytest.approx(made.points()[0].uar)
    assert made.checkpoint().report["dev_uar"] == max(told["uar_with"], told["uar_without"])
