"""The learning curve as a table and as a picture."""

from pathlib import Path
from typing import Any

from rich.table import Table

COLOURS = {"strategy": "#1f5fa8", "control": "#a0522d"}


def curve_table(points: list[dict[str, Any]], n_train: int) -> Table:
    """One row a round: labels, their share of the training clips, minutes listened, UAR of both arms with intervals."""
    table = Table(title="Learning curve (UAR on test speakers, 95 % interval)")
    for heading in ("round", "labels", "share", "minutes", "strategy", "control", "difference"):
        table.add_column(heading, justify="right")
    by_round: dict[int, dict[str, dict[str, Any]]] = {}
    for point in points:
        by_round.setdefault(point["round"], {})[point["arm"]] = point
    for number, arms in sorted(by_round.items()):
        chosen, control = arms.get("strategy"), arms.get("control")
        if chosen is None:
            continue
        table.add_row(
            str(number),
            str(chosen["n_labels"]),
            f"{chosen['n_labels'] / n_train:.0%}",
            f"{chosen['minutes']:.1f}",
            _interval(chosen),
            _interval(control) if control else "",
            f"{100 * (chosen['uar'] - control['uar']):+.1f}" if control else "",
        )
    return table


def _interval(point: dict[str, Any]) -> str:
    return f"{100 * point['uar']:.1f} [{100 * point['uar_low']:.1f}–{100 * point['uar_high']:.1f}]"


def draw_curve(points: list[dict[str, Any]], title: str, path: Path) -> None:
    """Draw UAR against labels for every arm, with its interval as a band, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for arm, colour in COLOURS.items():
        own = sorted((point for point in points if point["arm"] == arm), key=lambda point: point["n_labels"])
        if not own:
            continue
        labels = [point["n_labels"] for point in own]
        name = own[0]["strategy"] if arm == "strategy" else "random control"
        axes.plot(labels, [100 * point["uar"] for point in own], marker="o", color=colour, label=name)
        low, high = ([100 * point[end] for point in own] for end in ("uar_low", "uar_high"))
        axes.fill_between(labels, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("labels")
    axes.set_ylabel("UAR on test speakers, %")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)
    plt.close(figure)
