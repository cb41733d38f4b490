"""Whether speakers keep to few classes: then normalising a voice takes away what is to be heard in it.

Krippendorff's nominal alpha of the labels within speakers, a speaker's clips read as answers to one question: 0 where
every speaker shows the classes as often as everybody, 1 where each shows one only. A handful of labels tells, for no
classifier has to be trained. Speakers of three acted corpora thinned to be ever more entangled (`bench/LOG.md`) lost by
normalisation from an alpha of .05 to .15 on, whatever it gained at 0.
"""

import numpy as np

from al_core.agreement.alpha import nominal
from al_core.agreement.intervals import Coefficient
from al_core.targets import LabelledClips

MOST = 0.1


def entangled(train: LabelledClips) -> Coefficient | None:
    """Alpha of the likeliest class within speakers where it is above `MOST` and its interval above 0; else None."""
    rows = [i for i, clip in enumerate(train.clips) if clip.speaker is not None and train.targets[i].any()]
    if not rows:
        return None
    voices, voice = np.unique([str(train.clips[i].speaker) for i in rows], return_inverse=True)
    counts = np.zeros((len(voices), train.targets.shape[1]))
    np.add.at(counts, (voice, train.targets[rows].argmax(axis=1)), 1)
    alpha = nominal(counts)
    return alpha if alpha is not None and alpha.value > MOST and alpha.low > 0 else None
