"""Loss profiles for the strategy that reads them."""

from collections.abc import Sequence
from dataclasses import replace

from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureSpec, FeatureStore, embed
from al_core.pool import PoolView
from al_core.strategies.specs import Alps, Strategy, innermost


def reads_profiles(strategy: Strategy) -> bool:
    """Whether the strategy, inside all wrappers, asks the self-supervised encoder what surprises it."""
    return isinstance(innermost(strategy), Alps)


def profile_spec(encoder: SpeechEncoder) -> FeatureSpec:
    """The feature that a profile is: of the last hidden state."""
    return FeatureSpec(encoder.n_layers, "loss_profile")


def profiled(
    pool: PoolView, strategy: Strategy, encoder: SpeechEncoder, store: FeatureStore, clips: Sequence[Clip]
) -> PoolView:
    """The pool with the loss profiles of its clips where the strategy reads them; what the store lacks is computed.

    Args:
        pool: of a round, row i of which is `clips[i]`.
        strategy: of the round.
        encoder: whose losses they are.
        store: where they are kept.
        clips: of the pool.

    Raises:
        FeatureError: a clip cannot be decoded or embedded, or the store cannot be written.
    """
    if not reads_profiles(strategy):
        return pool
    spec = profile_spec(encoder)
    for _ in embed(encoder, store, [spec], clips):
        pass
    return replace(pool, loss_profile=store.pooled(encoder.digest, spec, [clip.key for clip in clips]))
