"""What is asked over there and what comes back: the layout, answers as regions, audio addresses."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from al_core.scheme import Dimension, Scheme
from app.label_studio.audio import is_signed, signature
from app.label_studio.layout import layout
from app.label_studio.results import ResultError, carried, regions, said

SKIPS = ["bad_audio", "unsure"]


def test_the_layout_asks_what_the_scheme_asks():
    scheme = Scheme(("anger", 'a "quoted" <class>'), (Dimension("arousal", 1, 7),))
    tree = ElementTree.fromstring(layout(scheme, SKIPS, unclear=True, several=True))
    controls = {node.get("name"): node for node in tree}
    assert list(controls) == ["audio", "emotion", "unclear", "dimension.arousal", "skip_reason", "comment"]
    assert [choice.get("value") for choice in controls["emotion"]] == ["anger", 'a "quoted" <class>']
    assert controls["emotion"].get("choice") == "multiple"
    assert (controls["dimension.arousal"].get("min"), controls["dimension.arousal"].get("max")) == ("1", "7")


ANSWERS = [
    {"label": "anger"},
    {"label": "anger", "intensities": {"anger": 1.0, "joy": 0.5}},
    {"unclear": True, "comment": "mumbles"},
    {"dimensions": {"arousal": 4.5, "valence": -0.25}},
    {"skip_reason": "bad_audio"},
    {"label": "joy", "dimensions": {"arousal": 1.0}, "comment": "zwei\nZeilen"},
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_comes_back_as_it_was_written(answer):
    nothing = dict.fromkeys(("label", "intensities", "dimensions", "skip_reason", "comment")) | {"unclear": False}
    written = json.loads(json.dumps(regions(answer, {"annotator": "zoe"})))
    found = said(written)
    if answer.get("intensities"):
        assert found["intensities"] == answer["intensities"]
        found["label"] = answer["label"]  # two chosen classes name none alone; the service derives the strongest
    assert found == nothing | answer
    assert carried(written) == {"annotator": "zoe"}


@pytest.mark.parametrize("result", [None, 3, [3], [{"type": "choices"}], [{"type": "choices", "value": {"choices": 3}}],
                                    [{"from_name": "dimension.x", "value": {"number": "high"}}]])  # fmt: skip
def test_a_result_that_says_nothing_usable_is_refused_by_name(result):
    with pytest.raises(ResultError):
        said(result)


def test_an_audio_address_is_good_for_its_clip_and_secret_only():
    made = signature("secret", 7)
    assert is_signed("secret", 7, made)
    assert not any((is_signed("secret", 8, made), is_signed("other", 7, made), is_signed("secret", 7, made + "0")))
    assert not is_signed("secret", 7, "ä")
