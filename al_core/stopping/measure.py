"""What the height of a curve is, and how sentences write it."""

from enum import StrEnum

MINUS = "−"


class Measure(StrEnum):
    """UAR, or the mean CCC of a scheme without classes."""

    UAR = "UAR"
    CCC = "mean CCC"

    def figure(self, value: float) -> str:
        """The bare number: UAR in points with one decimal, CCC with three."""
        return f"{100 * value:.1f}" if self is Measure.UAR else f"{value:.3f}"

    def plain(self, value: float) -> str:
        """The number with its unit: "0.5 UAR points"."""
        return f"{self.figure(value)} {'UAR points' if self is Measure.UAR else 'of mean CCC'}"

    def sign(self, value: float) -> str:
        """The bare number with its sign; what rounds to nothing has none."""
        text = self.figure(abs(value))
        return text if float(text) == 0 else f"{MINUS if value < 0 else '+'}{text}"

    def signed(self, value: float) -> str:
        """The number with its sign and unit: "+1.2 UAR points"."""
        return f"{self.sign(value)} {'UAR points' if self is Measure.UAR else 'of mean CCC'}"
