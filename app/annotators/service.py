"""Figures from the events: each annotator beside the others, and agreement of all. Reads only."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.agreement import Event, Rating, alpha, choices, kappa, ratings_of, votes_of
from al_core.agreement.alpha import MOST_RANKS
from al_core.agreement.annotators import Figures, annotator_figures
from al_core.agreement.flags import flags
from al_core.scheme import Dimension
from app.annotators.schemas import (
    AgreementOut,
    AnnotatorOut,
    AnnotatorsOut,
    CoefficientOut,
    DayOut,
    DimensionAgreementOut,
    DriftOut,
    PaceOut,
    PairOut,
    ShareOut,
)
from app.labels.deciding import counted, event_of, says_class
from app.labels.given import Given, is_live
from app.labels.mapping import Translation, translation
from app.models import Account, Annotation, Clip, GoldClip, Kind, Qualification


def annotators(session: Session, project_id: int) -> AnnotatorsOut:
    """Every annotator of a project that exists, in order of name."""
    way = translation(session, project_id)
    said = _events(session, project_id, way)
    lengths = select(Clip.id, Clip.end_s - Clip.start_s).where(Clip.project_id == project_id)
    clip_seconds = {str(clip_id): seconds for clip_id, seconds in session.execute(lengths)}
    known = select(GoldClip.clip_id, GoldClip.labels).where(GoldClip.project_id == project_id)
    gold = {str(clip_id): labels for clip_id, labels in session.execute(known) if labels}
    figures = annotator_figures(said, way.scheme, gold, clip_seconds) if said else ()
    told = flags(figures)
    own = {int(one.annotator): one for one in figures}
    besides = _besides(session, project_id)
    items = [
        AnnotatorOut(account_id=account_id, annotator=name, **counts, **_figures(own.get(account_id)),
                     flags=list(told.get(str(account_id), ())))
        for account_id, (name, counts) in besides.items()
    ]  # fmt: skip
    return AnnotatorsOut(items=sorted(items, key=lambda item: item.annotator))


def _events(session: Session, project_id: int, way: Translation) -> list[Event]:
    """Every live answer that names a class or is unclear, probes and repeats included, under the scheme in use."""
    rows = session.execute(
        select(
            Annotation.id, Annotation.clip_id, Annotation.account_id, Annotation.scheme_version, Annotation.label,
            Annotation.intensities, Annotation.unclear, Annotation.dimensions,
            Annotation.kind, Annotation.seconds, Annotation.created_at,
        )
        .where(Annotation.project_id == project_id, Annotation.skip_reason.is_(None), is_live())
        .order_by(Annotation.id)
    )  # fmt: skip
    events = []
    for *content, kind, seconds, created_at in rows:
        brought = way.bring(Given(*content))
        if brought is not None and says_class(brought):
            event = event_of(brought)
            events.append(
                Event(
                    event.clip, event.annotator, event.answer, event.order,
                    repeat=kind == Kind.REPEAT, seconds=seconds, day=created_at.date().toordinal(),
                )
            )  # fmt: skip
    return events


def _besides(session: Session, project_id: int) -> dict[int, tuple[str, dict[str, Any]]]:
    """What is only counted: account → name, and skips, withdrawals, revisions, qualification."""
    rows = session.execute(
        select(
            Account.id, Account.name, Annotation.skip_reason, Annotation.withdrawn, Annotation.supersedes_id
        )
        .join(Account, Account.id == Annotation.account_id)
        .where(Annotation.project_id == project_id)
    ).all()  # fmt: skip
    standing = dict(
        session.execute(
            select(Qualification.account_id, Qualification.state).where(Qualification.project_id == project_id)
        ).all()
    )
    by_account: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_account[row.id].append(row)
    return {account_id: (own[0].name, _counts(own, standing.get(account_id))) for account_id, own in by_account.items()}


def _counts(own: Sequence[Any], standing: str | None) -> dict[str, Any]:
    return {
        "skipped": dict(Counter(row.skip_reason for row in own if row.skip_reason is not None)),
        "withdrawn": sum(row.withdrawn for row in own),
        "revised": sum(row.supersedes_id is not None and not row.withdrawn for row in own),
        "qualification": standing,
    }


def _figures(own: Figures | None) -> dict[str, Any]:
    nothing = ShareOut(hits=0, n=0, value=None, low=0.0, high=1.0)
    if own is None:
        return {"n": 0, "n_unclear": 0, "gold": nothing, "consensus": nothing, "consistency": nothing,
                "pace": None, "days": [], "drift": None}  # fmt: skip
    pace = own.pace
    return {
        "n": own.n,
        "n_unclear": own.n_unclear,
        "gold": _share(own.gold),
        "consensus": _share(own.consensus),
        "consistency": _share(own.consistency),
        "pace": None
        if pace is None
        else PaceOut(
            n=pace.n, seconds=pace.seconds, ratio=pace.ratio, slope=_defined(pace.slope), hurried=_share(pace.hurried)
        ),
        "days": []
        if own.drift is None
        else [DayOut(day=date.fromordinal(day), agreement=_share(share)) for day, share in own.drift.days],
        "drift": None
        if own.drift is None
        else DriftOut(slope=_defined(own.drift.slope), error=_defined(own.drift.error)),
    }


def agreement(session: Session, project_id: int) -> AgreementOut:
    """How far the annotators of a project that exists agree. Probes are left out: not everybody gets them."""
    way = translation(session, project_id)
    given = counted(session, project_id, way)
    votes = votes_of([event_of(one) for one in given if says_class(one)], way.scheme)
    chosen = choices(votes)
    classes = way.scheme.classes
    counts = alpha.counts_of(chosen, len(votes.clips), len(classes))
    names = dict(session.execute(select(Account.id, Account.name)).all())
    pairs = kappa.pairwise(chosen, votes.annotators, len(classes))
    return AgreementOut(
        n_clips=len({one.clip_id for one in given}),
        n_answers=len(given),
        alpha=_coefficient(alpha.nominal(counts)) if classes else None,
        per_class=dict(zip(classes, map(_coefficient, alpha.per_class(counts)), strict=True)),
        dimensions={dimension.name: _dimension(given, dimension) for dimension in way.scheme.dimensions},
        kappa=_coefficient(pairs.mean),
        pairs=[
            PairOut(first=names[int(one.first)], second=names[int(one.second)], kappa=_known(one.kappa))
            for one in pairs.pairs
        ],
        per_annotator={names[int(key)]: _known(mean) for key, mean in pairs.per_annotator.items()},
    )


def _dimension(given: Sequence[Given], dimension: Dimension) -> DimensionAgreementOut:
    said = [
        Rating(str(one.clip_id), str(one.account_id), one.dimensions[dimension.name], order=one.annotation_id)
        for one in given
        if one.dimensions and dimension.name in one.dimensions
    ]
    ratings = ratings_of(said, dimension)
    ranks = alpha.rated_counts(ratings)
    return DimensionAgreementOut(
        interval=_coefficient(alpha.interval(ratings)),
        ordinal=None if ranks.shape[1] > MOST_RANKS else _coefficient(alpha.ordinal(ranks)),
    )


def _share(share: Any) -> ShareOut:
    return ShareOut(
        hits=share.hits, n=share.n, value=_defined(share.value), low=round(share.low, 4), high=round(share.high, 4)
    )


def _coefficient(found: Any) -> CoefficientOut | None:
    return None if found is None else _known(found)


def _known(found: Any) -> CoefficientOut:
    return CoefficientOut(
        value=round(found.value, 4), low=_defined(found.low), high=_defined(found.high), n_clips=found.n_clips
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
