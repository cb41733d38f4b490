"""How long does a simulation take, from nothing and with its features in the cache, and is it the same both times?

`afterloop simulate` as a user starts it, imports included: EMO-DB, Whisper-tiny.en, the probe, 3 strategies × 3 seeds ×
6 fractions, first with an empty cache folder, then with the one it left. The yardstick of the warm run is the cold one.
`--short` asks for one seed and two fractions.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _table import Row, finish, parser

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
COLD_S, WARM_S = 180.0, 40.0
STRATEGIES = ("random", "margin", "coverage_then_margin")
FRACTIONS, FEW_FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6), (0.1, 0.2)


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    rows: list[Row] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        rows = measured(1, FEW_FRACTIONS) if arguments.short else measured(3, FRACTIONS)
    finish("simulate", rows, arguments.json)


def measured(n_seeds: int, fractions: tuple[float, ...]) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        cold_s, cold = simulated(Path(scratch), n_seeds, fractions)
        warm_s, warm = simulated(Path(scratch), n_seeds, fractions)
    size = f"{len(STRATEGIES)} strategies × {n_seeds} seeds × {len(fractions)} fractions"
    return [
        Row(f"cold cache, {size}", cold_s, "s", target=COLD_S, less_is_better=True),
        Row(f"warm cache, {size}", warm_s, "s", target=WARM_S, less_is_better=True),
        Row("warm cache against cold", warm_s, "s", yardstick=cold_s, less_is_better=True),
        Row("same result both times, seconds apart (1 is yes)", float(cold == warm), "", target=1.0),
    ]


def simulated(folder: Path, n_seeds: int, fractions: tuple[float, ...]) -> tuple[float, Any]:
    """Seconds of one run of the command, and its JSON without the seconds."""
    output = folder / "out.json"
    command = [
        *(sys.executable, "-c", "from app.cli import main; main()", "simulate"),
        *("--manifest", SHARED / "data" / "emodb-2s" / "manifest.csv"),
        *("--encoder", SHARED / "encoders" / "whisper-tiny.en", "--fine-tune", "probe"),
        *("--layer", "2", "--normalise-speakers"),
        *(part for name in STRATEGIES for part in ("--strategy", name)),
        *("--seeds", str(n_seeds), "--fractions", ",".join(map(str, fractions)), "--test-speakers", "2"),
        *("--cache", folder / "cache", "--output", output),
    ]
    began = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return seconds, without_seconds(json.loads(output.read_text(encoding="utf-8")))


def without_seconds(value: Any) -> Any:
    """The same JSON less every key that begins with "seconds"."""
    if isinstance(value, dict):
        return {key: without_seconds(inner) for key, inner in value.items() if not key.startswith("seconds")}
    return [without_seconds(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
