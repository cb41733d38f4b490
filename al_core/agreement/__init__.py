"""Annotations → labels, distributions or disputes; how far annotators agree; what to ask next. Imports numpy only."""

from al_core.agreement.alpha import krippendorff_alpha
from al_core.agreement.answers import AgreementError, Choices, Event, Votes, choices, votes_of
from al_core.agreement.dimensions import DimensionEstimate, Rating, Ratings, ratings_of, weigh
from al_core.agreement.estimating import Annotators, Estimate, digest, estimate
from al_core.agreement.intervals import Coefficient, Share
from al_core.agreement.majority import Verdict, aggregate
from al_core.agreement.routing import Decision, Routes, route
from al_core.agreement.specs import DawidSkene, Estimator, EvaluatorWeighted, Mace, Majority, Routing

__all__ = [
    "AgreementError",
    "Annotators",
    "Choices",
    "Coefficient",
    "DawidSkene",
    "Decision",
    "DimensionEstimate",
    "Estimate",
    "Estimator",
    "EvaluatorWeighted",
    "Event",
    "Mace",
    "Majority",
    "Rating",
    "Ratings",
    "Routes",
    "Routing",
    "Share",
    "Verdict",
    "Votes",
    "aggregate",
    "choices",
    "digest",
    "estimate",
    "krippendorff_alpha",
    "ratings_of",
    "route",
    "votes_of",
    "weigh",
]
