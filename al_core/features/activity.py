"""Active frames: those loud enough to hold speech, by the energy of the audio under them."""

import numpy as np
from numpy.typing import NDArray

from al_core.audio import Waveform

WITHIN_DB = 35.0
_LOUD = 0.98  # quantile: a click or two do not set the level


def active_frames(waveform: Waveform, n_frames: int, within_db: float = WITHIN_DB) -> NDArray[np.bool_]:
    """(f,) bool: frames at most `within_db` below the clip's own loud level; at least one is active.

    Pauses and padding say little about emotion and, averaged in, move an embedding by how long they are. A plain
    energy detector relative to the clip's level, so the recording's gain does not matter.

    Args:
        waveform: (T,) the clip.
        n_frames: f, into which the clip is divided evenly, at least 1.
        within_db: dB below the 98th percentile of the frames' root mean squares.
    """
    edges = np.linspace(0, len(waveform), n_frames + 1).astype(np.int64)
    power = np.add.reduceat(waveform.astype(np.float64) ** 2, np.minimum(edges[:-1], len(waveform) - 1))  # (f,)
    rms = np.sqrt(power / np.maximum(np.diff(edges), 1))
    active: NDArray[np.bool_] = rms >= 10 ** (-within_db / 20) * np.quantile(rms, _LOUD)
    return active
