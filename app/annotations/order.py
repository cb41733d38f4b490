"""The order in which clips are heard, against contrast effects: neighbours differ in speaker and in predicted class.

After an angry clip a neutral one sounds sadder than it is, and who hears one speaker ten times in a row hears the
speaker, not the clip.

References:
    Russell & Fehr, Relativity in the perception of emotion in facial expressions, J. Exp. Psychol. 116(3), 1987.
    Yannakakis, Cowie & Busso, The ordinal nature of emotions, ACII 2017, section 2.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

LOOK_AHEAD = 8  # clips that may be heard early: more would use rare classes up before the end


@dataclass(frozen=True, slots=True)
class Queued:
    """A clip to be queued: who speaks, and the class a checkpoint predicts, where they are known."""

    clip_id: int
    speaker: str | None = None
    predicted: str | None = None


def interleaved(clips: Sequence[Queued]) -> list[Queued]:
    """The clips, each once, so that speakers and predicted classes alternate as far as their numbers allow.

    The clips of every class are spread evenly over the queue, then those of every speaker: the i-th of m stands at
    (i + 1/2) / m. Then each turn takes, of the next `LOOK_AHEAD` clips, the first that differs from the one before in
    speaker and class, else the first that differs in speaker, else in class, else the next. Among equals the given
    order stays: where nothing is known of the clips, nothing moves.
    """
    by_class = _spread(clips, [clip.predicted for clip in clips])
    waiting = dict.fromkeys(_spread(by_class, [clip.speaker for clip in by_class]))  # in order, to take from anywhere
    heard: list[Queued] = []
    while waiting:
        chosen = min(islice(waiting, LOOK_AHEAD), key=lambda clip: _contrast(heard[-1:], clip))
        heard.append(chosen)
        del waiting[chosen]
    return heard


def _spread(clips: Sequence[Queued], groups: Sequence[str | None]) -> list[Queued]:
    """The clips with each group's spread evenly; those of no known group are a group, a single group stays."""
    sizes, seen = Counter(groups), Counter[str | None]()
    if len(sizes) < 2:
        return list(clips)
    places = []
    for group in groups:
        places.append((seen[group] + 0.5) / sizes[group])
        seen[group] += 1
    return [clips[i] for i in sorted(range(len(clips)), key=lambda i: (places[i], i))]


def _contrast(before: Sequence[Queued], clip: Queued) -> int:
    """0 when the clip differs from the one before in all that is known, 3 when in nothing."""
    if not before:
        return 0
    same_speaker = clip.speaker is not None and clip.speaker == before[0].speaker
    same_class = clip.predicted is not None and clip.predicted == before[0].predicted
    return 2 * same_speaker + same_class
