"""A gentle flag: a sentence where an annotator's figures differ tellingly from what is usual. It locks nobody out."""

from collections.abc import Mapping, Sequence
from math import hypot
from statistics import NormalDist

from al_core.agreement.annotators import Figures
from al_core.agreement.intervals import Share, wilson

LEVEL = 0.99  # of the room, per figure: of a hundred rooms of equal annotators about one has somebody flagged
TELLING = 0.1  # a smaller difference is not worth a sentence
LEAST_ANNOTATORS = 3  # below that nobody is usual
ADVICE = "listening together to a few clips may help."


def flags(everyone: Sequence[Figures]) -> Mapping[str, tuple[str, ...]]:
    """Annotator → sentences for a friendly talk; whoever has none is missing.

    Flagged are: a share (gold, consensus, consistency) surely below the median annotator's (Newcombe 1998), by at least
    10 points; more than half of the answers given before the clip had ended; agreement that falls from day to day.
    Intervals are Bonferroni-corrected for the number of annotators.
    """
    level = 1 - (1 - LEVEL) / max(1, len(everyone))
    told = {figures.annotator: _sentences(figures, everyone, level) for figures in everyone}
    return {key: sentences for key, sentences in told.items() if sentences}


def _sentences(own: Figures, everyone: Sequence[Figures], level: float) -> tuple[str, ...]:
    said = [
        _below(own.gold, [each.gold for each in everyone], level, "Answers to clips with a known class are right"),
        _below(own.consensus, [each.consensus for each in everyone], level, "Answers are what most others say"),
        _below(own.consistency, [each.consistency for each in everyone], level, "Repeated clips get the same answer"),
        _hurried(own, level),
        _falling(own, level),
    ]
    return tuple(sentence for sentence in said if sentence is not None)


def _below(own: Share, everyone: Sequence[Share], level: float, what: str) -> str | None:
    measured = sorted((share for share in everyone if share.n), key=lambda share: share.value)
    if len(measured) < LEAST_ANNOTATORS or not own.n:
        return None
    usual = measured[(len(measured) - 1) // 2]
    short = usual.value - own.value
    # Newcombe's interval of a difference: each share's own Wilson distance towards the other, added as squares.
    away = hypot(usual.value - wilson(usual.hits, usual.n, level).low, wilson(own.hits, own.n, level).high - own.value)
    if short < TELLING or short <= away:
        return None
    return f"{what} in {own.value:.0%} of {own.n} cases, usual here are {usual.value:.0%}: {ADVICE}"


def _hurried(own: Figures, level: float) -> str | None:
    if own.pace is None or wilson(own.pace.hurried.hits, own.pace.n, level).low <= 0.5:
        return None
    share = own.pace.hurried.value
    return f"{share:.0%} of the answers came before the clip had ended: perhaps the beginnings are enough; ask."


def _falling(own: Figures, level: float) -> str | None:
    if own.drift is None or own.drift.slope + NormalDist().inv_cdf((1 + level) / 2) * own.drift.error >= 0:
        return None
    return f"Agreement with the others falls by {-100 * own.drift.slope:.1f} points a day: {ADVICE}"
