"""SAVEE: `DC_a01.wav`, or `DC/a01.wav` as first published: four men, an emotion and the number of its sentence.

Files of one emotion and number hold the same sentence. The three sentences common to all emotions have another
number in each, so equal words across emotions are not seen in `text`.

References:
    Haq and Jackson, Machine Audition: Principles, Algorithms and Systems, chapter 17, IGI Global 2010.
"""

import re
from pathlib import PurePath

from al_core.corpora.folder import Description

_SPEAKERS = "DC|JE|JK|KL"
_NAME = re.compile(rf"(?:.*/)?(?P<speaker>{_SPEAKERS})[_/](?P<text>(?P<emotion>sa|su|[adfhn])\d\d)")
_LABELS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def describe(path: PurePath) -> Description | None:
    """Speaker, emotion, gender and text of a file's path; None for another convention's."""
    name = _NAME.fullmatch(path.with_suffix("").as_posix())
    if name is None:
        return None
    return Description(name["speaker"], _LABELS[name["emotion"]], "male", name["text"])
