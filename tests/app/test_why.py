"""Why this clip: the sentence, and who may read it when. Annotators stay blind."""

from typing import Any

import pytest
from sqlalchemy import select, update

from app.db import utcnow
from app.models import ArmReceipt, GoldClip, Pick, Round
from app.rounds.why import NOT_BY_THE_MODEL, Picked, ordinal, sentence

REASON = {"nearest_clip_id": 12, "nearest_distance": 0.8, "cluster": 0, "cluster_size": 24}
TORN = [["anger", 0.41], ["fear", 0.39]]


def _picked(strategy: str = "margin", predictions: str | None = "p", n: int = 40, **pick: Any) -> Picked:
    own = {"arm": "strategy", "rank": 2} | pick
    asked = {"kind": "random" if own["arm"] == "control" else strategy}
    receipt = ArmReceipt(arm=own["arm"], strategy=asked, predictions_digest=predictions)
    return Picked(Pick(**own), Round(strategy={"kind": strategy}), receipt, n)


@pytest.mark.parametrize(
    ("picked", "said"),
    [
        (
            _picked(**REASON, guess=TORN),
            "3rd of 40 by margin: the classifier was torn between anger and fear (0.41 / 0.39); the nearest labelled "
            "clip is 12, 0.80 away; it stands for 23 clips like it.",
        ),
        (
            _picked("core_set", guess=[["joy", 0.9], ["fear", 0.1]]),
            "3rd of 40 by core set: the classifier heard joy (0.90).",
        ),
        (
            _picked("badge", None, **REASON | {"cluster_size": 1}),
            "3rd of 40 at random, as badge had no classifier to ask yet; the nearest labelled clip is 12, 0.80 away.",
        ),
        (_picked("typiclust", None, rank=0), "1st of 40 by typiclust."),
        (_picked("random", None, rank=1), "2nd of 40 at random."),
        (_picked(arm="control", predictions=None), "3rd of 40 at random, for the control arm."),
    ],
)
def test_a_receipt_in_words(picked: Picked, said: str) -> None:
    assert sentence(picked) == said


def test_a_round_older_than_receipts_still_tells_rank_and_strategy() -> None:
    old = _picked()
    assert sentence(Picked(old.pick, old.turn, None, 40)) == "3rd of 40 by margin."


def test_the_blind_sentence_leaves_out_what_the_classifier_heard() -> None:
    said = sentence(_picked(**REASON, guess=TORN), blind=True)
    assert said == "3rd of 40 by margin; the nearest labelled clip is 12, 0.80 away; it stands for 23 clips like it."


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1,003rd",
    ]  # fmt: skip


def _reason_of_all(api: Any, **values: Any) -> None:
    with api.db.write() as session:
        session.execute(update(Pick).values(**{"nearest_clip_id": 1, "nearest_distance": 0.5, "guess": TORN} | values))


def _finish(api: Any) -> None:
    with api.db.write() as session:
        session.execute(update(Round).values(state="finished"))


def _asks(who: Any, made: Any, clip_id: int) -> Any:
    return who.call("GET", f"/projects/{made.project_id}/clips/{clip_id}/why")


def test_annotators_are_told_after_their_answer_and_what_the_model_heard_once_the_round_is_over(
    api: Any, annotating: Any, person: Any
) -> None:
    made, ada, ben = annotating(api.db, clips=3, overlap=2), person("ada"), person("ben")
    _reason_of_all(api)
    lease = ada.lease(made.project_id)[0]
    clip = lease["clip_id"]
    assert "0.41 / 0.39" in api.get(f"/projects/{made.project_id}/clips/{clip}/why").json()["sentence"]
    held = _asks(ada, made, clip)
    assert (held.status_code, "after your answer" in held.json()["detail"]) == (403, True)
    ada.say(lease)
    told = _asks(ada, made, clip).json()
    assert "by" in told["sentence"] and "anger" not in told["sentence"] and told["picks"] is None
    assert _asks(ben, made, clip).status_code == 403
    ada.undo(made.project_id)
    assert _asks(ada, made, clip).status_code == 403, "it is asked again"
    _finish(api)
    assert _asks(ada, made, clip).status_code == 403, "who holds a clip stays blind whatever became of the round"
    assert "torn between anger and fear" in _asks(ben, made, clip).json()["sentence"]


def test_a_clip_of_no_strategy_reads_the_same_whether_it_is_a_probe_or_of_the_control_arm(
    api: Any, annotating: Any, person: Any
) -> None:
    made, ada = annotating(api.db, clips=3, gold_rate=0.0), person("ada")
    control, gold, other = made.clip_ids
    with api.db.write() as session:
        session.execute(update(Pick).where(Pick.clip_id == control).values(arm="control"))
        session.delete(session.scalars(select(Pick).where(Pick.clip_id == gold)).one())
        told = {"use": "gold", "labels": ["anger"], "dimensions": {}, "created_at": utcnow()}
        session.add(GoldClip(project_id=made.project_id, clip_id=gold, **told))
    assert [_asks(ada, made, one).status_code for one in (control, gold, other)] == [403, 403, 403]
    for lease in ada.lease(made.project_id, 3):
        ada.say(lease)
    said = {one: _asks(ada, made, one).json()["sentence"] for one in (control, gold, other)}
    assert said[control] == said[gold] == NOT_BY_THE_MODEL != said[other]
    with api.db.write() as session:  # without a control arm the probes would be the only ones
        session.execute(update(Pick).values(arm="strategy"))
    assert {_asks(ada, made, one).status_code for one in (control, gold, other)} == {403}


def test_what_does_not_exist_is_refused_by_name(api: Any, annotating: Any) -> None:
    made, other = annotating(api.db, clips=1), annotating(api.db, clips=1, name="others")
    assert api.get("/projects/99/clips/1/why").status_code == 404
    foreign = api.get(f"/projects/{made.project_id}/clips/{other.clip_ids[0]}/why")
    assert (foreign.status_code, "has no clip" in foreign.json()["detail"]) == (404, True)
    with api.db.write() as session:
        session.delete(session.scalars(select(Pick).where(Pick.clip_id == made.clip_ids[0])).one())
    assert "no round picked" in api.get(f"/projects/{made.project_id}/clips/{made.clip_ids[0]}/why").json()["detail"]


def test_a_rounds_picks_carry_their_receipts_and_no_guess_to_annotators(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=2)
    _reason_of_all(api)
    path = f"/rounds/{made.round_id}"
    first = api.get(path).json()["picks"][0]
    assert (first["guess"], first["nearest_clip_id"]) == (TORN, 1)
    assert first["sentence"].startswith("1st of 2 by ")
    assert api.get(path, "annotator").json()["receipts"] is None
    _finish(api)
    seen = api.get(path, "annotator").json()
    assert [(one["guess"], one["sentence"], one["rank"]) for one in seen["picks"]] == [(None, None, 0), (None, None, 1)]
    assert seen["receipts"] == []
    why = api.get(f"/projects/{made.project_id}/clips/{made.clip_ids[0]}/why").json()
    assert why["picks"][0] == first | {"round_id": made.round_id, "number": 0}


def test_a_replay_is_the_operators_and_needs_receipts(api: Any, annotating: Any) -> None:
    made = annotating(api.db, clips=1)
    path = f"/rounds/{made.round_id}/replay"
    assert api.post(path, "annotator").status_code == 403
    refused = api.post(path)
    assert (refused.status_code, "cannot be replayed" in refused.json()["detail"]) == (409, True)
    with api.db.write() as session:
        digests = dict.fromkeys(("encoder_digest", "labels_digest", "pool_digest", "embeddings_digest", "digest"), "0")
        told = {"strategy": {"kind": "random"}, "scheme": {}, "outside": [], "labelled": {}, "newest_clip_id": 1}
        sizes = {"seed": 0, "size": 1, "pool_size": 1, "n_labelled": 0}
        session.add(ArmReceipt(round_id=made.round_id, arm="strategy", **digests, **told, **sizes))
    job = api.post(path)
    assert (job.status_code, job.json()["kind"], job.json()["round_id"]) == (202, "replay", None)
    assert job.json()["payload"] == {"round_id": made.round_id}
    assert api.post(f"/jobs/{job.json()['id']}/cancel").json()["state"] == "cancelled"
    assert api.get(f"/rounds/{made.round_id}").json()["state"] == "annotating"
    assert api.get(f"/rounds/{made.round_id}").json()["receipts"][0]["pool_size"] == 1
