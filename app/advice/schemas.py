"""Advice on stopping over HTTP."""

from pydantic import BaseModel, ConfigDict, Field

from al_core.stopping.advice import Time, Verdict
from al_core.stopping.criterion import Opinion
from al_core.stopping.measure import Measure


class GainOut(BaseModel):
    """In units of the measure: 0.012 is 1.2 UAR points."""

    model_config = ConfigDict(from_attributes=True)

    n_labels: int = Field(description="Labels asked about: fewer than wanted where budget or pool end before.")
    value: float
    low: float = Field(description="Lower end of the 95 % interval, parametric bootstrap of the fitted curve.")
    high: float = Field(description="Upper end: below `worth`, the verdict is to stop.")
    seen_low: float = Field(description="Lower end of a 95 % interval of what the next measurement will show.")
    seen_high: float = Field(description="Its upper end. Single measurements scatter: this one is much wider.")


class CriterionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    verdict: Opinion
    sentence: str
    figures: dict[str, float]


class LawOut(BaseModel):
    """u(n) = ceiling − scale · n^(−exponent), fitted to the strategy's points."""

    model_config = ConfigDict(from_attributes=True)

    ceiling: float
    scale: float
    exponent: float
    noise: float = Field(description="Standard deviation of a point around the law.")


class AdviceOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "project_id": 1,
                    "verdict": "worth it",
                    "sentence": "Worth it: about +1.2 UAR points (95 % interval +0.4 to +2.3) for 200 more labels, "
                    "about 35 minutes of annotators' time. The next measurement may show −3.1 to +5.6.",
                    "measure": "UAR",
                    "first_round": 0,
                    "n_points": 8,
                    "worth": 0.005,
                    "gain": {
                        "n_labels": 200,
                        "value": 0.012,
                        "low": 0.004,
                        "high": 0.023,
                        "seen_low": -0.031,
                        "seen_high": 0.056,
                    },
                    "minutes": 35.2,
                    "time": "annotators' time",
                    "criteria": [
                        {
                            "name": "expected gain",
                            "verdict": "go on",
                            "sentence": "200 more labels bring +1.2 UAR points (95 % interval 0.4 to 2.3): more than "
                            "0.5 UAR points",
                            "figures": {"gain": 0.012, "low": 0.004, "high": 0.023, "worth": 0.005, "labels": 200},
                        }
                    ],
                    "law": {"ceiling": 0.81, "scale": 1.4, "exponent": 0.48, "noise": 0.009},
                }
            ]
        }
    )

    project_id: int
    verdict: Verdict
    sentence: str = Field(description="The verdict in words, for whoever decides.")
    measure: Measure = Field(description="UAR, or the mean CCC of a scheme without classes.")
    first_round: int | None = Field(
        description="Number of the first round that is looked at: those before had another encoder, recipe or scheme, "
        "or other test clips. Null before there is a point."
    )
    n_points: int = Field(description="Points of the strategy's curve since then.")
    worth: float = Field(description="Smallest gain that is worth the labels, in units of the measure.")
    gain: GainOut | None = Field(description="Predicted for the next labels; null while the curve is too short.")
    minutes: float | None = Field(description="Minutes those labels take, without a control arm's; null where unknown.")
    time: Time = Field(description="What the minutes are: all that annotators spend on a clip, or its audio alone.")
    criteria: list[CriterionOut] = Field(description="The one that decides first; the others agree or disagree.")
    law: LawOut | None = Field(description="The fitted curve; null while there are too few points.")
