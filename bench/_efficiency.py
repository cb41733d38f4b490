"""What learning curves say: area under them, labels needed, the paired test against random, tables and rows."""

from collections.abc import Sequence

import numpy as np
from _kept import Told
from _table import Row
from scipy.special import stdtr, stdtrit

from al_core.simulate import area_under_curve
from tapt.paired import Paired, paired

NEEDED = (0.95, 1.0)  # of the full-label UAR


def areas(curves: Sequence[Told]) -> list[float]:
    """Area under each curve, UAR against labelled share, divided by the range of shares."""
    return [
        area_under_curve([p["fraction"] for p in one["points"]], [p["uar"] for p in one["points"]]) for one in curves
    ]


def at(curves: Sequence[Told], fraction: float) -> list[float]:
    """UAR of each curve at a labelled share that was run."""
    return [next(point["uar"] for point in one["points"] if point["fraction"] == fraction) for one in curves]


def labels_needed(curve: Told, bar: float) -> int | None:
    """Labels of the first round whose UAR is at least `bar`; None where no round's is."""
    return next((point["n_labels"] for point in curve["points"] if point["uar"] >= bar), None)


def needed(curves: Sequence[Told], full: Sequence[Told], share: float) -> str:
    """Mean labels over the seeds for a share of each seed's full-label UAR; how many seeds got there, if not all."""
    bars = {one["seed"]: share * one["uar"] for one in full}
    found = [(labels_needed(one, bars[one["seed"]]), one["n_pool"]) for one in curves]
    reached = [(n, n_pool) for n, n_pool in found if n is not None]
    if len(reached) < len(found):
        return f"not reached ({len(reached)} of {len(found)} seeds)"
    mean, part = np.mean([n for n, _ in reached]), np.mean([n / n_pool for n, n_pool in reached])
    return f"{mean:.0f} ({part:.0%})"


def against(before: Sequence[float], after: Sequence[float], curves: Sequence[Told]) -> Paired:
    """Corrected paired test of two figures of the same folds, see `tapt.paired`."""
    return paired(before, after, float(np.mean([one["n_test"] / one["n_pool"] for one in curves])))


def p_value(found: Paired) -> float | None:
    """Two-sided p of a gain of 0, from the corrected interval; None for a single fold."""
    if found.low is None or found.high is None:
        return None
    if found.high == found.low:
        return 1.0 if found.gain == 0 else 0.0
    error = (found.high - found.low) / 2 / stdtrit(found.n - 1, 0.975)
    return float(2 * stdtr(found.n - 1, -abs(found.gain) / error))


def strategies_table(corpus: str, recipe: str, curves: Sequence[Told], full: Sequence[Told], fraction: float) -> str:
    """Strategies by area; gains over random in points, with the corrected 95 % interval and its p."""
    names = list(dict.fromkeys(one["strategy"] for one in curves))
    by_name = {name: [one for one in curves if one["strategy"] == name] for name in names}
    names.sort(key=lambda name: -float(np.mean(areas(by_name[name]))))
    lines = [
        f"| {corpus}, {recipe}, all labels {mean_of(full, 'uar'):.3f} | AULC | over random, points | p | "
        f"UAR at {fraction:.0%} | over random, points | p | labels for 95 % | for 100 % | choosing, s | training, s |",
        "|---" * 11 + "|",
    ]
    for name in names:
        own, random = by_name[name], by_name["random"]
        cells = [f"{np.mean(areas(own)):.3f}", *_tested(areas(random), areas(own), own, name)]
        late = at(own, fraction)
        cells += [f"{np.mean(late):.3f}", *_tested(at(random, fraction), late, own, name)]
        cells += [needed(own, full, share) for share in NEEDED]
        cells += [f"{mean_of(own, 'seconds_select'):.1f}", f"{mean_of(own, 'seconds_train'):.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def strategies_rows(corpus: str, recipe: str, curves: Sequence[Told], full: Sequence[Told]) -> list[Row]:
    """The full-label line and each strategy's area beside random's."""
    made = [Row(f"{corpus}, {recipe}: all labels", mean_of(full, "uar"), "UAR")]
    random = float(np.mean(areas([one for one in curves if one["strategy"] == "random"])))
    for name in dict.fromkeys(one["strategy"] for one in curves):
        own = areas([one for one in curves if one["strategy"] == name])
        made.append(Row(f"{corpus}, {recipe}: {name}", float(np.mean(own)), "AULC", random))
    return made


def proof_table(corpus: str, curves: dict[str, list[Told]], lines: dict[str, list[Told]]) -> str:
    """The loop's curve and what it needs of its own line with all labels, by recipe; seconds where they were asked."""
    some = next(iter(curves.values()))[0]
    shares = [point["fraction"] for point in some["points"]]
    told = ", ".join(f"{name} {mean_of(full, 'uar'):.3f}" for name, full in lines.items())
    heads = " | ".join(f"{share:.0%}" for share in shares)
    made = [f"{corpus}, all labels: {told}", ""]
    made += [
        f"| {corpus} | {heads} | AULC | labels for 95 % | for 100 % | s | CPU s |",
        "|---" * (len(shares) + 6) + "|",
    ]
    for name, own in curves.items():
        cells = [f"{mean_at(own, share):.3f}" for share in shares] + [f"{np.mean(areas(own)):.3f}"]
        cells += [needed(own, lines[name], share) for share in NEEDED]
        timed = all(one["decided_by"]["timed"] for one in own)
        cells += [f"{mean_of(own, figure):.0f}" if timed else "" for figure in ("seconds", "cpu_seconds")]
        made.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*made, ""])


def mean_at(curves: Sequence[Told], fraction: float) -> float:
    """Mean UAR over the seeds at a labelled share."""
    return float(np.mean(at(curves, fraction)))


def mean_of(told: Sequence[Told], name: str) -> float:
    """Mean over the seeds of one figure."""
    return float(np.mean([one[name] for one in told]))


def _tested(random: Sequence[float], own: Sequence[float], curves: Sequence[Told], name: str) -> tuple[str, str]:
    if name == "random":
        return "", ""
    found = against(random, own, curves)
    p = p_value(found)
    interval = "" if found.low is None or found.high is None else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"{100 * found.gain:+.1f}{interval}", "" if p is None else f"{p:.3f}"
