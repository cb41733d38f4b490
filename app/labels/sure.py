"""When a clip has been asked often enough: closed rules, cheap enough to run after every answer."""

from collections.abc import Sequence

from al_core.scheme import Scheme
from app.labels.given import Given


def posterior(answers: Sequence[Given], scheme: Scheme) -> dict[str, float]:
    """Class → (votes + 1/c) / (answers + 1): the mean of a Dirichlet whose prior, worth one answer, is even.

    An unclear answer is spread over all classes. References: Gelman et al., Bayesian Data Analysis, 3rd ed., 2013,
    section 3.4.
    """
    c = len(scheme.classes)
    share = dict.fromkeys(scheme.classes, 1 / c)
    for given in answers:
        votes = given.votes() if not given.unclear else dict.fromkeys(scheme.classes, 1 / c)
        for name, vote in votes.items():
            share[name] += vote
    whole = sum(share.values())
    return {name: votes / whole for name, votes in share.items()}


def spread(answers: Sequence[Given], scheme: Scheme) -> float:
    """The largest distance between two answers on any dimension, as a share of its range."""
    widest = 0.0
    for dimension in scheme.dimensions:
        said = [(given.dimensions or {}).get(dimension.name) for given in answers]
        values = [value for value in said if value is not None]
        if values:
            widest = max(widest, (max(values) - min(values)) / (dimension.high - dimension.low))
    return widest


def sureness(answers: Sequence[Given], scheme: Scheme) -> float:
    """0–1: the leading class's posterior; for a scheme of dimensions alone 1 − the answers' spread."""
    if not answers:
        return 0.0
    if scheme.classes:
        return max(posterior(answers, scheme).values())
    return 1.0 - spread(answers, scheme)
