"""Recordings of noise from a folder, as clips."""

import hashlib
from functools import partial
from pathlib import Path

from al_core.audio import AudioError, decode, info
from al_core.features.clip import Clip, clip_key
from al_core.noise.mixing import NoiseError


def open_recordings(folder: Path) -> tuple[Clip, ...]:
    """Every audio file under a folder, in the order of their paths; what is no audio is passed over.

    Raises:
        NoiseError: the folder does not exist, or holds no audio.
    """
    clips = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            duration_s = info(path).duration_s
        except AudioError:
            continue
        key = clip_key(hashlib.sha256(path.read_bytes()).hexdigest(), 0, duration_s)
        clips.append(Clip(key, duration_s, None, partial(decode, path)))
    if not clips:
        raise NoiseError(f"{folder} holds no recording of noise: name a folder with audio files")
    return tuple(clips)
