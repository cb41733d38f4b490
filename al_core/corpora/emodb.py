"""EMO-DB (Berlin): `03a01Fa.wav` is speaker 03, text a01, F for Freude, version a.

References:
    Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005; http://emodb.bilderbar.info
"""

import re
from pathlib import PurePath

from al_core.corpora.folder import Description

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]?")
_LABELS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_GENDERS = dict.fromkeys(("03", "10", "11", "12", "15"), "male") | dict.fromkeys(
    ("08", "09", "13", "14", "16"), "female"
)


def describe(path: PurePath) -> Description | None:
    """Speaker, emotion, gender and text of a file name; None for another convention's."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return None
    return Description(name["speaker"], _LABELS[name["emotion"]], _GENDERS.get(name["speaker"]), name["text"])
