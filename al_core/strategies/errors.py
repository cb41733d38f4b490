"""How a strategy refuses."""


class StrategyError(ValueError):
    """A strategy that does not exist or cannot run on this pool; the sentence says what to do."""


def require(holds: bool, name: str, value: object, bound: str) -> None:
    """StrategyError "<name> is <value>: it must be <bound>" unless it holds."""
    if not holds:
        raise StrategyError(f"{name} is {value}: it must be {bound}")
