"""Leaks: speakers, sessions, recordings and scripts that stand in two parts which must not share them. No torch.

A figure on clips whose speaker, session or recording was trained on, or heard in TAPT, tells how well a classifier
remembers, not how well it generalises. Every place that makes parts asks here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "dev", "test", "tapt"]
Kind = Literal["speaker", "session", "recording", "script"]

_ALWAYS: tuple[Kind, ...] = ("speaker", "session", "recording")
_MAY_SHARE = ({"train", "tapt"},)  # TAPT hears training audio on purpose
_SHOWN = 10  # clips and groups a sentence names


@dataclass(frozen=True, slots=True)
class ClipGroups:
    """A clip by the groups it belongs to; None where unknown, which is never compared.

    Attributes:
        clip: how the clip is named to people.
        speaker: who speaks.
        session: recordings that share people or a room.
        recording: digest of the audio it is, or was cut from.
        script: the words, or a code for them.
    """

    clip: str
    speaker: str | None = None
    session: str | None = None
    recording: str | None = None
    script: str | None = None


class LeakError(ValueError):
    """Groups that stand in two parts which must not share them.

    Attributes:
        kind: what the groups are.
        groups: the offending ones, in order of appearance.
        parts: where they stand.
        clips: every clip of those groups in those parts.
    """

    def __init__(self, kind: Kind, groups: Sequence[str], clips: Mapping[str, Sequence[str]]) -> None:
        self.kind = kind
        self.groups = tuple(groups)
        self.parts = tuple(clips)
        self.clips = tuple(clip for of_part in clips.values() for clip in of_part)
        each = max(_SHOWN // len(clips), 1)
        other = ", or take an encoder that did not hear them" if "tapt" in clips else ""
        named = "; ".join(f"{part}: {_first(of_part, each)}" for part, of_part in clips.items())
        super().__init__(
            f"{len(groups)} {kind}(s) in more than one of {', '.join(clips)}: {_first(groups, _SHOWN)}; "
            f"{len(self.clips)} clips, {named}. Give each {kind} one part, or leave those clips out{other}"
        )


def recording_of(key: str) -> str:
    """The digest of the recording that a clip's key (`al_core.features.clip.clip_key`) names."""
    return key.rpartition(":")[0] or key


def check_leaks(parts: Mapping[Part, Iterable[ClipGroups]], scripts: bool = False) -> None:
    """Refuse parts that share a speaker, a session or a recording; only "train" and "tapt" may.

    Args:
        parts: their clips; a part that does not exist is left out or empty.
        scripts: whether a sentence, too, may be in one part only. Acted corpora have every speaker say every sentence
            (RAVDESS, EMO-DB), so it is asked for where a corpus was recorded otherwise.

    Raises:
        LeakError: of the first kind that leaks, in the order speaker, session, recording, script.
    """
    rows = {part: list(clips) for part, clips in parts.items()}
    for kind in (*_ALWAYS, "script") if scripts else _ALWAYS:
        _check(kind, rows)


def _check(kind: Kind, rows: Mapping[Part, list[ClipGroups]]) -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for part, clips in rows.items():
        for group in {getattr(clip, kind) for clip in clips}:
            found[group].add(part)
    leaking = {group for group, where in found.items() if group and len(where) > 1 and where not in _MAY_SHARE}
    if not leaking:
        return
    own = {part: [clip for clip in clips if getattr(clip, kind) in leaking] for part, clips in rows.items()}
    groups = dict.fromkeys(getattr(clip, kind) for clips in own.values() for clip in clips)
    raise LeakError(kind, list(groups), {part: [one.clip for one in clips] for part, clips in own.items() if clips})


def linked(clips: Sequence[ClipGroups]) -> list[str | None]:
    """(n,) the group each clip shares a part with: all clips that speakers, sessions and recordings tie together.

    Connected components: a speaker of two sessions ties both. A group is named by its first session, or else its first
    speaker; None where neither is known of any of its clips.
    """
    parent = list(range(len(clips)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[tuple[Kind, str], int] = {}
    for i, clip in enumerate(clips):
        for kind in _ALWAYS:
            group = getattr(clip, kind)
            if group:
                parent[root(i)] = root(seen.setdefault((kind, group), i))
    names: dict[int, str | None] = {}
    for kind in ("session", "speaker"):
        for i, clip in enumerate(clips):
            names[root(i)] = names.get(root(i)) or getattr(clip, kind)
    return [names[root(i)] for i in range(len(clips))]


def tell_unknown(parts: Mapping[Part, Iterable[ClipGroups]]) -> str | None:
    """A sentence when clips have no speaker, so that nothing can be said of their voices; else None."""
    without = {part: sum(clip.speaker is None for clip in clips) for part, clips in parts.items()}
    counted = [f"{n} of {part}" for part, n in without.items() if n]
    if not counted:
        return None
    return (
        f"clips without a speaker: {', '.join(counted)}. Whether their voices are in another part too cannot be "
        "checked: name their speakers in the manifest"
    )


def _first(names: Sequence[str], n: int) -> str:
    return ", ".join(names[:n]) + (", …" if len(names) > n else "")
