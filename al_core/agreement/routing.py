"""Who does not know, the model or the people? What to do with each clip next.

Four figures decide, each a probability or a difference of probabilities; p are the shares of all listeners
(`al_core.agreement.listeners`):

    u          the model's epistemic uncertainty in [0, 1]: how much it does not know about the clip (1 where unknown)
    gain       what one more answer adds to the chance that the label is right (`al_core.agreement.gain`)
    mending    Σ_{k ≠ label} P(p_k > 1/2 | answers): most listeners hear a class, and it is not the label
    ambiguity  1 − Σ_k P(p_k > 1/2 | answers): no class is heard by most listeners

A right label is worth u to the model, since it knows the rest already. So

    nobody answered yet                                     → label a new clip, the largest u · gain first
    confidence ≥ sure                                       → settled
    fewer answers than the limit and u · gain ≥ price       → ask one more person, the largest u · gain first
    u · mending ≥ ruling price                              → adjudicate
    no label, or ambiguity > 1/2                            → accept as ambiguous, with its distribution
    otherwise                                               → settled: not sure, and nothing worth its price changes it

The model's opinion never enters a label or its confidence, only what a label is worth: a loop that confirmed itself
would look like agreement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from al_core.agreement.answers import AgreementError, Floats, Ints
from al_core.agreement.estimating import Annotators, Estimate
from al_core.agreement.gain import hidden_gain, listeners_gain
from al_core.agreement.listeners import by_unique_rows, over_half
from al_core.agreement.specs import Routing


class Decision(StrEnum):
    """What to do with a clip."""

    NEW = "new"
    ASK = "ask"
    ADJUDICATE = "adjudicate"
    AMBIGUOUS = "ambiguous"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Decisions for n clips, and the figures behind them.

    Attributes:
        clips, decisions: (n,).
        value: (n,) float64 u · gain, what one more answer is worth; 0 where no answer is bought.
        confidence: (n,) float64 of the label; 0 for a new clip.
        gain, mending: (n,) float64, see the module; 0 where they decide nothing.
        ambiguity: (n,) float64, see the module.
        n_answers: (n,) int64.
    """

    clips: tuple[str, ...]
    decisions: tuple[Decision, ...]
    value: Floats
    confidence: Floats
    gain: Floats
    mending: Floats
    ambiguity: Floats
    n_answers: Ints

    def next(self, n: int) -> tuple[str, ...]:
        """The up to n clips whose next answer is worth most, among new ones and those to ask again; stable."""
        open_to = np.array([decision in (Decision.NEW, Decision.ASK) for decision in self.decisions], dtype=bool)
        ranked = [i for i in np.argsort(-self.value, kind="stable") if open_to[i]]
        return tuple(self.clips[i] for i in ranked[:n])


def route(made: Estimate, rule: Routing, clips: Sequence[str] | None = None, epistemic: Floats | None = None) -> Routes:
    """What to do with each clip.

    Args:
        made: the labels so far.
        rule: parameters.
        clips: n keys to decide on, with or without answers; None takes those of the estimate.
        epistemic: (n,) u, e.g. BALD over log c; clipped to [0, 1]. None where no model can tell: 1.

    Raises:
        AgreementError: `epistemic` does not fit the clips, or is not finite.
    """
    keys = made.clips if clips is None else tuple(clips)
    worth = np.ones(len(keys)) if epistemic is None else np.asarray(epistemic, dtype=np.float64)
    if worth.shape != (len(keys),) or not np.isfinite(worth).all():
        raise AgreementError(f"epistemic uncertainty {worth.shape} must be {len(keys)} finite numbers, one a clip")
    worth = worth.clip(0, 1)
    at = {key: i for i, key in enumerate(made.clips)}
    rows = np.array([at.get(key, -1) for key in keys], dtype=np.int64)
    answered = rows >= 0
    counts = np.where(answered[:, None], made.counts[rows], 0.0)
    confidence = np.where(answered, made.confidence[rows], 0.0)
    n_answers = np.rint(counts.sum(axis=1)).astype(np.int64)
    labelled = np.array([made.labels[row] is not None for row in rows], dtype=bool) & answered
    sure = answered & ((labelled & (confidence >= rule.sure)) | made.known[rows])
    left = np.where(sure, 0, np.maximum(rule.limit - n_answers, 0))
    gain = _gain(made, counts, rows, np.minimum(left, rule.lookahead))
    half = by_unique_rows(counts, lambda unique: over_half(unique + made.listeners))  # (n, c + 1)
    ambiguity = (1 - half.sum(axis=1)).clip(0, 1)
    mending = np.where(answered & ~sure, half.sum(axis=1) - _of_label(made, rows, half), 0.0)
    asked = (left > 0) & (worth * gain >= rule.price)
    decisions = np.select(
        [~answered, sure, asked, worth * mending >= rule.ruling_price, ~labelled | (ambiguity > 0.5)],
        [Decision.NEW, Decision.SETTLED, Decision.ASK, Decision.ADJUDICATE, Decision.AMBIGUOUS],
        Decision.SETTLED,
    )
    value = np.where(asked | ~answered, worth * gain, 0.0)
    named = tuple(Decision(name) for name in decisions.tolist())
    return Routes(keys, named, value, confidence, gain, mending, ambiguity, n_answers)


def _gain(made: Estimate, counts: Floats, rows: Ints, ahead: Ints) -> Floats:
    """(n,) by what the estimator calls a right label; looks `ahead` (n,) answers, 0 buys nothing."""
    gain = np.zeros(len(rows))
    for lookahead in range(1, ahead.max(initial=0) + 1):
        of = ahead == lookahead
        if made.annotators is None:
            gain[of] = listeners_gain(counts[of], made.listeners, lookahead)
        else:
            answered = (rows[of] >= 0)[:, None]
            posterior = np.where(answered, made.posterior[rows[of]], made.annotators.prior)
            gain[of] = hidden_gain(posterior, _possible(made.annotators), lookahead)
    return gain


def _possible(annotators: Annotators) -> Floats:
    """The average annotator's matrix with no response impossible, so that its logarithm exists."""
    rows = annotators.average + 1e-12
    possible: Floats = rows / rows.sum(axis=1, keepdims=True)
    return possible


def _of_label(made: Estimate, rows: Ints, half: Floats) -> Floats:
    """(n,) the column of each clip's label, or of its likeliest class where it has none."""
    likeliest = made.posterior.argmax(axis=1)
    at = {name: i for i, name in enumerate(made.classes)}
    own = np.array([likeliest[i] if name is None else at[name] for i, name in enumerate(made.labels)], dtype=np.int64)
    return half[np.arange(len(rows)), own[rows]]
