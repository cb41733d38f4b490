"""What is embedded: a clip, and which of its features are wanted. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from al_core.audio import Waveform


class FeatureError(RuntimeError):
    """A feature that cannot be computed, written or found; the sentence names the clip or folder and what to do."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance of audio.

    Attributes:
        key: identity of the audio, `<sha256 of the asset>:<start ms>-<end ms>`; equal keys mean equal waveforms.
        duration_s: length in seconds, by which clips are packed; an estimate is enough.
        speaker: who speaks, if known.
        text: the words, or a code for them, if known: equal texts are the same sentence.
        load: decode the (T,) float32 waveform at 16 kHz; called from several threads at once.
    """

    key: str
    duration_s: float
    speaker: str | None
    load: Callable[[], Waveform]
    text: str | None = None


def clip_key(sha256: str, start_s: float, end_s: float) -> str:
    """The key of a window of an asset, to the millisecond: the one place that says when two clips are the same."""
    return f"{sha256}:{round(1000 * start_s)}-{round(1000 * end_s)}"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Which feature of a clip.

    Attributes:
        layer: hidden state, 0 (the front end's output) … n_layers; already resolved, so never negative.
        pooling: "mean" over a clip's frames, (d,); "active_mean" over those that are loud enough to hold speech;
            "mean_std" with the population standard deviation beside the mean, (2 · d,); all "frames", (f, d); or a
            "loss_profile", (8,), see `al_core/features/loss_profile.py`.
        dtype: as stored. float16 halves the disk space and rounds to about three digits.
        beside: lower hidden states, each once and in order, whose columns stand before those of `layer`.
    """

    layer: int
    pooling: Literal["mean", "active_mean", "mean_std", "frames", "loss_profile"]
    dtype: Literal["float32", "float16"] = "float32"
    beside: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.layers) < 0:
            raise FeatureError(
                f"layer {min(self.layers)} is negative: resolve it against the encoder's number of blocks first"
            )
        if self.pooling == "loss_profile" and self.beside:
            raise FeatureError(f"a loss profile is of one hidden state: leave out {self.beside}")
        if any(low >= high for low, high in zip(self.layers, self.layers[1:], strict=False)):
            raise FeatureError(f"layers {self.layers}: name each hidden state once, from low to high")

    @property
    def layers(self) -> tuple[int, ...]:
        """Every hidden state that is read, rising."""
        return (*self.beside, self.layer)
