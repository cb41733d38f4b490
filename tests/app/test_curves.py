"""The learning curve over HTTP."""

from typing import Any

from app.db import utcnow
from app.models import Checkpoint, CurvePoint, Round


def _point(api: Any, project: int, number: int, arm: str) -> None:
    with api.db.write() as session:
        turn = session.query(Round).filter_by(project_id=project, number=number).one_or_none()
        if turn is None:
            turn = Round(
                project_id=project,
                number=number,
                state="finished",
                strategy={},
                recipe={},
                seed=0,
                batch_size=1,
                control_size=1,
                overlap=1,
                created_at=utcnow(),
            )
            session.add(turn)
            session.flush()
        checkpoint = Checkpoint(
            project_id=project,
            round_id=turn.id,
            arm=arm,
            kind="classifier",
            folder=f"{number}-{arm}",
            encoder_digest="0",
            recipe={},
            report={},
            created_at=utcnow(),
        )
        session.add(checkpoint)
        session.flush()
        session.add(
            CurvePoint(
                project_id=project,
                round_id=turn.id,
                arm=arm,
                checkpoint_id=checkpoint.id,
                n_labels=10 * (number + 1),
                minutes=0.5,
                uar=0.6,
                uar_low=0.5,
                uar_high=0.7,
                wa=0.6,
                macro_f1=0.6,
                figures={"n": 9, "classes": {"uar": 0.6, "ece": 0.1}, "dimensions": [], "fairness": {}},
                strategy="margin",
                seed=0,
                seconds={"train": 0.1},
                created_at=utcnow(),
            )
        )


def test_points_come_in_order_of_round_with_the_strategy_before_its_control(api: Any, wav_bytes: Any) -> None:
    project = api.project()
    api.upload(project, wav_bytes(seed=1))
    api.upload(project, wav_bytes(seed=2), split="test", speaker="t")
    for number, arm in ((1, "control"), (1, "strategy"), (0, "control"), (0, "strategy")):
        _point(api, project, number, arm)
    curve = api.get(f"/projects/{project}/curve", "viewer").json()
    assert [(point["round"], point["arm"], point["n_labels"]) for point in curve["points"]] == [
        (0, "strategy", 10),
        (0, "control", 10),
        (1, "strategy", 20),
        (1, "control", 20),
    ]
    assert curve["n_train"] == 1
    assert curve["points"][0]["seconds"] == {"train": 0.1}
    assert curve["points"][0]["figures"]["classes"] == {"uar": 0.6, "ece": 0.1}
    detail = api.get(f"/checkpoints/{curve['points'][0]['checkpoint_id']}", "viewer").json()
    assert detail["figures"] == curve["points"][0]["figures"]


def test_a_project_without_a_round_has_an_empty_curve(api: Any) -> None:
    project = api.project()
    assert api.get(f"/projects/{project}/curve").json() == {"project_id": project, "n_train": 0, "points": []}
    assert api.get("/projects/999/curve").status_code == 404
    assert api.get(f"/projects/{project}/curve", None).status_code == 401
