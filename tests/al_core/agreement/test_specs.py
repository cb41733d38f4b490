import subprocess
import sys

import pytest

from al_core.agreement import AgreementError, DawidSkene, Mace, Majority, Routing


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Majority(dispute_below=1.1), "dispute_below is 1.1"),
        (lambda: DawidSkene(shrinkage=-1), "shrinkage is -1"),
        (lambda: DawidSkene(smoothing=0), "smoothing is 0"),
        (lambda: Mace(max_iterations=0), "max_iterations is 0"),
        (lambda: Mace(tolerance=-1), "tolerance is -1"),
        (lambda: Routing(sure=2), "sure is 2"),
        (lambda: Routing(limit=0), "limit is 0"),
        (lambda: Routing(lookahead=0), "lookahead is 0"),
    ],
)
def test_parameters_without_a_meaning_are_refused_by_name(make, why: str) -> None:
    with pytest.raises(AgreementError, match=why):
        make()


def test_agreement_imports_nothing_heavier_than_numpy() -> None:
    heavy = "{'torch', 'scipy', 'pandas', 'sklearn', 'krippendorff'}"
    command = f"import sys, al_core.agreement, al_core.agreement.flags; print(sorted({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
