"""Heads: what turns a clip's frames into logits over classes and values of dimensions.

A head is a trunk (pool over time and standardise, or PEFT-SER's convolutions) and a linear output for classes, for
dimensions, or for both. Padding is invisible to every one of them.
"""

from al_core.heads.head import Head, build_head
from al_core.heads.masked_mean import masked_mean
from al_core.heads.masked_mean_std import masked_mean_std
from al_core.heads.outputs import Outputs
from al_core.heads.pooling import build_pool

__all__ = ["Head", "Outputs", "build_head", "build_pool", "masked_mean", "masked_mean_std"]
