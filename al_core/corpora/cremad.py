"""CREMA-D: `1001_DFA_ANG_XX.wav` is actor 1001, sentence DFA, anger as intended, level unspecified.

The label is the emotion the actor was asked for; listeners' votes are published apart from the audio.

References:
    Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Trans. Affective Computing 5(4), 2014.
"""

import re
from pathlib import PurePath

from al_core.corpora.folder import Description

_SENTENCES = "IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI"
_LEVELS = "LO|MD|HI|XX|X"  # one published file ends in a single X
_NAME = re.compile(rf"(?P<actor>10\d\d)_(?P<text>{_SENTENCES})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?:{_LEVELS})")
_LABELS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
# fmt: off
_WOMEN = frozenset({  # VideoDemographics.csv
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030,
    1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075,
    1076, 1078, 1079, 1082, 1084, 1089, 1091,
})
# fmt: on


def describe(path: PurePath) -> Description | None:
    """Speaker, emotion, gender and text of a file name; None for another convention's."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return None
    gender = "female" if int(name["actor"]) in _WOMEN else "male"
    return Description(name["actor"], _LABELS[name["emotion"]], gender, name["text"])
