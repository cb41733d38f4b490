"""Embedding: compute the features a store lacks, several specs in one pass, and put them there."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from al_core.encoders import SpeechEncoder
from al_core.encoders.packed import packed_copy
from al_core.features.clip import Clip, FeatureError, FeatureSpec
from al_core.features.computing import Pack, compute
from al_core.features.packing import pack_by_length
from al_core.features.store import FeatureStore, Floats

# Audio in one minibatch: an accelerator wants much at once; a CPU core is as fast with a few clips, and stays in cache.
SECONDS_PER_PACK_CPU = 8.0
SECONDS_PER_PACK_ACCELERATOR = 240.0
SECONDS_PER_SEGMENT = 300.0  # of audio; a kill loses no more than this


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """Progress of an embedding.

    Attributes:
        done, total: clips that have their features, and all of them, each key counted once.
        seconds_audio: audio embedded by this call so far.
    """

    done: int
    total: int
    seconds_audio: float


def embed(
    encoder: SpeechEncoder, store: FeatureStore, specs: Sequence[FeatureSpec], clips: Sequence[Clip]
) -> Iterator[EmbedReport]:
    """Compute what the store lacks and nothing else; no block above the highest layer asked for is run.

    Clips of nearly the same length share a minibatch. Each worker thread decodes and computes its own minibatch on one
    core, so no core waits for another. The features are on disk once the iterator is exhausted or closed. The
    encoder is put in evaluation mode.

    Args:
        encoder: what computes; its digest is part of the features' identity.
        store: where features are kept.
        specs: which features, all computed in one pass.
        clips: which clips; a key given twice is computed once.

    Yields:
        A report at the start and after every minibatch.

    Raises:
        FeatureError: a clip cannot be decoded or embedded, a layer does not exist, or the store cannot be written. What
            was computed before is kept.
    """
    _check_layers(encoder, specs)
    distinct = {clip.key: clip for clip in clips}
    lacking = {spec: set(store.missing(encoder.digest, spec, distinct)) for spec in specs}
    todo = [clip for clip in distinct.values() if any(clip.key in keys for keys in lacking.values())]
    wanted = [spec for spec, keys in lacking.items() if keys]
    done, seconds = len(distinct) - len(todo), 0.0
    yield EmbedReport(done, len(distinct), seconds)
    if not todo:
        return
    encoder = packed_copy(encoder.eval())
    unwritten = _Unwritten(encoder.digest, store)
    try:
        for pack in _computed(encoder, wanted, todo):
            for spec, features in pack.features.items():
                unwritten.add(spec, {key: rows for key, rows in features.items() if key in lacking[spec]})
            unwritten.write_when_long(pack.seconds)
            done, seconds = done + pack.clips, seconds + pack.seconds
            yield EmbedReport(done, len(distinct), seconds)
    finally:
        unwritten.write()


class _Unwritten:
    """Features that wait for their segment to be long enough."""

    def __init__(self, encoder_digest: str, store: FeatureStore) -> None:
        self._digest = encoder_digest
        self._store = store
        self._features: dict[FeatureSpec, dict[str, Floats]] = {}
        self._seconds = 0.0

    def add(self, spec: FeatureSpec, features: Mapping[str, Floats]) -> None:
        self._features.setdefault(spec, {}).update(features)

    def write_when_long(self, seconds: float) -> None:
        """Count the audio just added; write when it makes the segment long enough."""
        self._seconds += seconds
        if self._seconds >= SECONDS_PER_SEGMENT:
            self.write()

    def write(self) -> None:
        # Forgotten before written: a full disk is reported once, not again by the caller's clean-up.
        features, self._features, self._seconds = self._features, {}, 0.0
        for spec, rows in features.items():
            self._store.append(self._digest, spec, rows)


def _check_layers(encoder: SpeechEncoder, specs: Sequence[FeatureSpec]) -> None:
    for spec in specs:
        if spec.layer > encoder.n_layers:
            raise FeatureError(
                f"layer {spec.layer} does not exist: {encoder.source} has {encoder.n_layers} blocks; lower it"
            )


def _computed(encoder: SpeechEncoder, specs: Sequence[FeatureSpec], clips: Sequence[Clip]) -> Iterator[Pack]:
    """All clips, pack after pack in a fixed order, computed by one worker thread a core."""
    on_cpu = next(encoder.parameters()).device.type == "cpu"
    threads = torch.get_num_threads()
    # Two beside an accelerator, so that one decodes while the other computes.
    workers = threads if on_cpu else 2
    budget = SECONDS_PER_PACK_CPU if on_cpu else SECONDS_PER_PACK_ACCELERATOR
    milliseconds = [round(1000 * clip.duration_s) for clip in clips]
    packs = iter([[clips[i] for i in positions] for positions in pack_by_length(milliseconds, round(1000 * budget))])
    with ThreadPoolExecutor(workers, "embed", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        ahead: deque[Future[Pack]] = deque()
        try:
            for pack in packs:
                ahead.append(pool.submit(compute, encoder, specs, pack))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            # A worker's setting is its own, but becomes the default of threads that begin later.
            torch.set_num_threads(threads)
