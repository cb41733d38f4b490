"""Units: discrete targets found by k-means over an encoder's own frames."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from tapt.errors import TaptError

Floats = NDArray[np.float32]
UnitIndices = NDArray[np.int16]

FIT_FRAMES = 50_000  # frames the clusters are fitted on: 1000 s at 50 a second, 150 MB at 768 wide


class TaptUnitsError(TaptError):
    """Units that cannot be fitted on this audio; the sentence says what to change."""


@dataclass(frozen=True, slots=True)
class Units:
    """K clusters of standardised frames.

    Attributes:
        mean, scale: (d,) float32, of each dimension over the fitted frames.
        centres: (K, d) float32, in standardised coordinates.
    """

    mean: Floats
    scale: Floats
    centres: Floats

    def assign(self, frames: Floats) -> UnitIndices:
        """(f,) int16: the nearest centre of each of (f, d) frames, argmin_k ‖z − c_k‖² with z standardised."""
        z = (frames - self.mean) / self.scale  # (f, d)
        # ‖z‖² is the same for every centre and drops out of the argmin.
        distances = (self.centres**2).sum(1) - 2.0 * (z @ self.centres.T)  # (f, k)
        nearest: UnitIndices = distances.argmin(1).astype(np.int16)
        return nearest


def fit_units(frames: Iterable[Floats], n_units: int, seed: int, start: Units | None = None) -> Units:
    """Fit K units on a stream of clips' frames with mini-batch k-means (Sculley, WWW 2010).

    The stream is held whole: the caller bounds it, see `FIT_FRAMES`. Dimensions are standardised first: a few
    dimensions of Whisper's states are tens of times larger than the rest and would decide every cluster alone.

    Args:
        frames: (f, d) float32 of each clip, in a fixed order.
        n_units: K.
        seed: of k-means; same stream and seed, same units.
        start: clusters to begin from, which keep their numbers; None to draw them.

    Raises:
        TaptUnitsError: fewer frames than units, or frames that are not finite.
    """
    clips = list(frames)
    held = np.concatenate(clips) if clips else np.empty((0, 1), dtype=np.float32)  # (n, d)
    if len(held) < n_units:
        raise TaptUnitsError(f"{len(held)} frames for {n_units} units: add audio, or lower objective.units")
    if not np.isfinite(held).all():
        raise TaptUnitsError("the encoder's frames hold NaN or infinity: check its weights, or choose another layer")
    mean = held.mean(0, dtype=np.float64).astype(np.float32)
    scale = np.maximum(held.std(0, dtype=np.float64), 1e-6).astype(np.float32)
    # A cluster of the earlier fit sits where it sat in the frames' own coordinates.
    begin = "k-means++" if start is None else (start.centres * start.scale + start.mean - mean) / scale
    restarts = 3 if start is None else 1
    kmeans = MiniBatchKMeans(n_units, init=begin, batch_size=4096, n_init=restarts, max_iter=50, random_state=seed)
    with threadpool_limits(1):  # sums over threads differ from run to run
        kmeans.fit((held - mean) / scale)
    return Units(mean, scale, kmeans.cluster_centers_.astype(np.float32))
