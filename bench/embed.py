"""How fast is a pool embedded, against the standard recipe: fixed-size padded batches in arrival order?

Ours is `al_core.features.embed` into an empty store on disk. The yardstick is `transformers` as its examples use it:
the feature extractor with padding, the attention mask where the family takes one, eight clips at a time as they come,
all hidden states, the mean over a clip's own frames. Both read the last layer of clips that are in memory already, in
alternating runs of which the median counts. Lengths are log-normal like IEMOCAP's (median 3.5 s, mean 4.5 s), cut to
1–12 s. Beside it: how much either's embedding of a clip depends on the clips around it, what looking up a large pool
costs, and whether the web process stays small and without torch.
"""

import os

# As in the worker: threads that spin while they wait starve each other on shared cores. Before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from _hubert import random_hubert
from _table import Row, finish, parser
from numpy.typing import NDArray

from al_core.audio import SAMPLE_RATE, Waveform, decode
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.quiet import quiet
from al_core.features import Clip, FeatureSpec, FeatureStore, embed

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
Vectors = NDArray[np.float32]
BATCH = 8
POOL = 100_000

API_PROCESS = """
import json, sys, tempfile, threading, time, urllib.request
from pathlib import Path
import uvicorn
from app.main import create_app
from app.settings import Settings

app = create_app(Settings(data=Path(tempfile.mkdtemp())))
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    time.sleep(0.05)
port = server.servers[0].sockets[0].getsockname()[1]
status = urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status
resident = next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]
heavy = sorted({"torch", "transformers", "sklearn", "peft", "modAL"} & set(sys.modules))
print(json.dumps({"status": status, "megabytes": int(resident) / 1024, "heavy": heavy}))
"""


@dataclass(frozen=True)
class Case:
    """An encoder under test, and the folder both sides open it from."""

    name: str
    folder: Path
    clips: Sequence[Clip]
    repeats: int


def main() -> None:
    command = parser(__doc__.splitlines()[0])
    command.add_argument("--encoder", type=Path, metavar="PATH", help="only this encoder folder")
    arguments = command.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(arguments.encoder, arguments.short, Path(scratch)):
            rows += measure(case)
        rows.append(look_up(Path(scratch) / "pool", 5_000 if arguments.short else POOL))
    rows += web_process()
    finish("embed", rows, arguments.json)


def cases(only: Path | None, short: bool, scratch: Path) -> list[Case]:
    """The encoders beside the repository where they are; else, and for the size of a released one, random weights."""
    clips = mixed_clips(3 if short else 64)
    if only is not None:
        return [Case(only.name, only, clips, repeats=3)]
    # The slower the encoder, the less a single run depends on chance.
    whisper, hubert = (SHARED / "encoders" / name for name in ("whisper-tiny.en", "mini-hubert"))
    real = [
        Case(whisper.name, whisper, clips, repeats=1 if short else 3),
        Case(hubert.name, hubert, clips, repeats=1 if short else 7),
    ]
    name = "a small hubert (random weights)" if short else "hubert-base (random weights)"
    random = random_hubert(scratch / "random", short)
    return [
        *(case for case in real if case.folder.is_dir()),
        Case(name, random, clips[:32], repeats=1 if short else 3),
    ]


def mixed_clips(n: int) -> list[Clip]:
    """Clips of log-normal length, cut from real speech where it is there, else from bursts of noise."""
    rng = np.random.default_rng(0)
    lengths = (np.clip(rng.lognormal(np.log(3.5), 0.65, n), 1, 12) * SAMPLE_RATE).astype(int)
    files = sorted((SHARED / "data" / "emodb-4class").rglob("*.flac"))[: 4 * n]  # clips of some 2 s
    audio = np.concatenate([decode(path) for path in files]) if files else bursts(rng, int(lengths.sum()))
    cuts = np.cumsum(lengths)
    return [
        clip(f"clip-{i}", audio.take(range(cut - length, cut), mode="wrap"))
        for i, (cut, length) in enumerate(zip(cuts, lengths, strict=True))
    ]


def bursts(rng: np.random.Generator, samples: int) -> Waveform:
    loudness = np.repeat(rng.uniform(0, 0.2, samples // 4_000 + 1), 4_000)[:samples]
    return (loudness * rng.standard_normal(samples)).astype(np.float32)


def clip(key: str, waveform: Waveform) -> Clip:
    return Clip(key, len(waveform) / SAMPLE_RATE, None, lambda: waveform)


def measure(case: Case) -> list[Row]:
    encoder = open_encoder(case.folder)
    yardstick = Yardstick(case.folder)
    waveforms = [one.load() for one in case.clips]
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    few = case.clips[:BATCH]
    reference = np.concatenate([embedded(encoder, [one]) for one in few])
    alone = yardstick.embed(waveforms[:BATCH], 1)
    # Only now, when both sides are warm.
    ours, theirs = alternate(
        lambda: embedded(encoder, case.clips), lambda: yardstick.embed(waveforms, BATCH), case.repeats
    )
    speed = Row(f"{case.name}: embed a pool", seconds / ours, "× real time", seconds / theirs, target=2.0)
    return [
        speed,
        Row(
            f"{case.name}: ours, clip among others ↔ alone",
            worst(embedded(encoder, case.clips)[:BATCH], reference),
            "relative",
            target=1e-5,
            less_is_better=True,
        ),
        Row(
            f"{case.name}: yardstick, clip among others ↔ alone",
            worst(yardstick.embed(waveforms[:BATCH], BATCH), alone),
            "relative",
        ),
        Row(f"{case.name}: ours ↔ yardstick, clip alone", worst(reference, alone), "relative"),
    ]


class Yardstick:
    """`transformers`' own network and feature extractor, as a notebook uses them."""

    def __init__(self, folder: Path) -> None:
        kind = json.loads((folder / "config.json").read_text())["architectures"][0]
        with quiet():
            network: Any = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()
            self.extractor: Any = transformers.AutoFeatureExtractor.from_pretrained(folder)
        self.is_whisper = "Whisper" in kind
        self.network = network.get_encoder() if self.is_whisper else network

    @torch.inference_mode()
    def embed(self, waveforms: Sequence[Waveform], batch: int) -> Vectors:
        """Mean of the last hidden state over each clip's frames, (n, d)."""
        rows = [self._batch(waveforms[at : at + batch]) for at in range(0, len(waveforms), batch)]
        return np.concatenate(rows)

    def _batch(self, waveforms: Sequence[Waveform]) -> Vectors:
        if self.is_whisper:
            inputs = self.extractor(list(waveforms), sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
            frames = self.network(inputs, output_hidden_states=True).last_hidden_state
            counts = [(len(waveform) // 160 + 1) // 2 for waveform in waveforms]
        else:
            prepared = self.extractor(list(waveforms), sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt")
            frames = self.network(**prepared, output_hidden_states=True).last_hidden_state
            lengths = torch.tensor([len(waveform) for waveform in waveforms])
            counts = self.network._get_feat_extract_output_lengths(lengths).tolist()
        return np.stack([row[:count].mean(dim=0).numpy() for row, count in zip(frames, counts, strict=True)])


def embedded(encoder: SpeechEncoder, clips: Sequence[Clip]) -> Vectors:
    """Ours, into an empty store on disk and out of it again, (n, d)."""
    spec = FeatureSpec(encoder.n_layers, "mean")
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        for _ in embed(encoder, store, [spec], clips):
            pass
        return store.pooled(encoder.digest, spec, [one.key for one in clips])


def alternate(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds of each, run in turns so that a busy machine slows both."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for spent, run in zip(seconds, (ours, theirs), strict=True):
            began = time.perf_counter()
            run()
            spent.append(time.perf_counter() - began)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def worst(vectors: Vectors, reference: Vectors) -> float:
    """Largest relative difference of any row."""
    return float((np.linalg.norm(vectors - reference, axis=1) / np.linalg.norm(reference, axis=1)).max())


def look_up(root: Path, n: int) -> Row:
    """Seconds of one core to open a store of many clips, find none missing, and read them all in another order."""
    spec, digest, keys = FeatureSpec(0, "mean"), "0" * 64, [f"{i:064x}:0-3000" for i in range(n)]
    rows = np.random.default_rng(0).standard_normal((n, 1, 384), dtype=np.float32)
    for at in range(0, n, 500):
        FeatureStore(root).append(digest, spec, dict(zip(keys[at : at + 500], rows[at : at + 500], strict=True)))
    asked = [keys[i] for i in np.random.default_rng(1).permutation(n)]
    began = time.process_time()
    store = FeatureStore(root)
    assert store.missing(digest, spec, asked) == []
    store.pooled(digest, spec, asked)
    return Row(
        f"open a store and read {n:,} × 384",
        time.process_time() - began,
        "s of CPU",
        target=1.0,
        less_is_better=True,
    )


def web_process() -> list[Row]:
    """What the web process weighs and imports after it has answered a request."""
    done = subprocess.run([sys.executable, "-c", API_PROCESS], capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(done.stdout.splitlines()[-1])
    return [
        Row("API process: resident memory", told["megabytes"], "MB", target=150, less_is_better=True),
        Row("API process: heavy packages imported", len(told["heavy"]), "packages", target=0, less_is_better=True),
    ]


if __name__ == "__main__":
    main()
