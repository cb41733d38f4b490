"""RAVDESS: `03-01-06-01-02-01-12.wav` is modality, channel, emotion, intensity, statement, repetition, actor.

Songs (channel 02) are described like speech. Statement 01 is "Kids are talking by the door", 02 "Dogs are sitting by
the door"; actors with odd numbers are men.

References:
    Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE 13(5), 2018.
"""

import re
from pathlib import PurePath

from al_core.corpora.folder import Description

_NAME = re.compile(r"0[13]-0[12]-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-(?P<actor>\d\d)")
_LABELS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}


def describe(path: PurePath) -> Description | None:
    """Speaker, emotion, gender and text of a file name; None for another convention's."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return None
    gender = "male" if int(name["actor"]) % 2 else "female"
    return Description(name["actor"], _LABELS[name["emotion"]], gender, f"s{name['statement']}")
