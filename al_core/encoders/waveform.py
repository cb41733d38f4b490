"""wav2vec 2.0, HuBERT, WavLM and data2vec-audio: waveform in, convolutions, transformer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from al_core.audio import Waveform
from al_core.encoders.base import Batch, EncoderError, SpeechEncoder, attention_mask_of, pad_frames, resolve_stop
from al_core.encoders.quiet import quiet
from al_core.encoders.wavlm import install_gated_attention, position_bias

FAMILIES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")


class WaveformEncoder(SpeechEncoder):
    """An encoder of the wav2vec 2.0 line, run part by part.

    The front end runs on each clip alone. So no padding can enter the group norm after the first convolution
    (wav2vec2-base, HuBERT-base), whose statistics run over time, nor data2vec's stack of positional convolutions; and
    on a CPU it is twice as fast as a padded batch, whose intermediate arrays leave the cache.

    References: Baevski et al., arXiv:2006.11477 (wav2vec 2.0); Hsu et al., arXiv:2106.07447 (HuBERT); Chen et al.,
    arXiv:2110.13900 (WavLM); Baevski et al., arXiv:2202.03555 (data2vec).
    """

    feed_forward_names = ("intermediate_dense", "output_dense")
    attention_name = "attention"

    def __init__(self, network: Any, feature_extractor: Any, source: str) -> None:
        super().__init__()
        self.network = network
        self.config = network.config
        self.feature_extractor = feature_extractor
        self.family = self.config.model_type
        self.source = source
        self.hidden_size = self.config.hidden_size
        self._is_pre_norm = bool(getattr(self.config, "do_stable_layer_norm", False))
        if self.family == "wavlm":
            install_gated_attention(self.blocks)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks, first to last."""
        blocks: nn.ModuleList = self.network.encoder.layers
        return blocks

    @property
    def final_norm(self) -> nn.Module | None:
        """The layer norm behind the last block of pre-norm encoders; of the others it belongs to the front end."""
        norm: nn.Module = self.network.encoder.layer_norm
        return norm if self._is_pre_norm else None

    def front_end_weights(self) -> list[nn.Parameter]:
        """Convolutions, projection, positions; not the mask embedding, which only masked prediction reads."""
        network = self.network
        parts = [network.feature_extractor, network.feature_projection, network.encoder.pos_conv_embed]
        if not self._is_pre_norm:
            parts.append(network.encoder.layer_norm)
        return [weight for part in parts for weight in part.parameters()]

    @property
    def feature_size(self) -> int:
        """Channels of the last convolution."""
        return int(self.config.conv_dim[-1])

    def local_features(self, batch: Batch) -> tuple[Tensor, ...]:
        """Convolutions and the layer norm behind them, which some HuBERTs lack: b clips of (T_i,) → (f_i, c) each."""
        return tuple(self._normed(self._convolve(samples))[0] for samples in batch.inputs)

    def _convolve(self, samples: Tensor) -> Tensor:
        features: Tensor = self.network.feature_extractor(samples[None]).transpose(1, 2)
        return features  # (1, f, c)

    def _normed(self, features: Tensor) -> Tensor:
        norm = getattr(self.network.feature_projection, "layer_norm", None)
        normed: Tensor = features if norm is None else norm(features)
        return normed

    def prepare(self, waveforms: Sequence[Waveform]) -> Batch:
        """Normalise each clip over its own samples when the encoder was trained so."""
        counts = self.frame_counts([len(waveform) for waveform in waveforms])
        if min(counts) < 1:
            shortest = min(map(len, waveforms))
            raise EncoderError(f"a clip of {shortest} samples is too short for {self.source}: leave it out")
        device = next(self.parameters()).device
        inputs = tuple(torch.from_numpy(self._normalised(waveform)).to(device) for waveform in waveforms)
        return Batch(inputs, tuple(counts))

    def _normalised(self, waveform: Waveform) -> Waveform:
        """x → (x − mean) / √(variance + 1e-7), as the feature extractor does it on a clip alone."""
        if not self.feature_extractor.do_normalize:
            return waveform
        normalised: Waveform = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
        return normalised.astype(np.float32, copy=False)

    def front_end(self, batch: Batch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolutions, projection, positions: b clips of (T_i,) → (b, f, d), (b, f) bool.

        A masked frame's projection is replaced by the checkpoint's mask embedding, or by zeros where it has none.
        """
        rows = [self._placed(self._project(self._convolve(x)), masked, i) for i, x in enumerate(batch.inputs)]
        return pad_frames(rows)

    def front_end_and_features(
        self, batch: Batch, masked: Tensor | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """`front_end`, and `local_features` beside it, in one pass of the convolutions."""
        rows, features = [], []
        for position, samples in enumerate(batch.inputs):
            convolved = self._convolve(samples)
            rows.append(self._placed(self._project(convolved), masked, position))
            features.append(self._normed(convolved)[0])
        return *pad_frames(rows), tuple(features)

    def _project(self, features: Tensor) -> Tensor:
        projected = self.network.feature_projection(features)
        # HuBERT returns the projection alone, the others the normalised features beside it.
        hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
        return hidden  # (1, f, d)

    def _placed(self, hidden: Tensor, masked: Tensor | None, position: int) -> Tensor:
        """The clip at this position, (1, f, d) → (f, d): hidden where it is masked, then with positions."""
        if masked is not None:
            hide = masked[position, : hidden.shape[1], None]  # (f, 1)
            hidden = torch.where(hide, self._mask_embedding(hidden), hidden)
        return self._add_positions(hidden)[0]

    def _mask_embedding(self, hidden: Tensor) -> Tensor:
        learned: Tensor | None = getattr(self.network, "masked_spec_embed", None)
        return hidden.new_zeros(self.hidden_size) if learned is None else learned.to(hidden.dtype)

    def _add_positions(self, hidden: Tensor) -> Tensor:
        encoder = self.network.encoder
        hidden = hidden + encoder.pos_conv_embed(hidden)  # (1, f, d)
        if not self._is_pre_norm:
            hidden = encoder.layer_norm(hidden)
        dropped: Tensor = encoder.dropout(hidden)
        return dropped

    def run(self, hidden: Tensor, frame_mask: Tensor, start: int = 0, stop: int | None = None) -> list[Tensor]:
        """Hidden states start + 1 … stop, (b, f, d) each; the last is final-layer-normed where the family has one.

        Raises:
            ValueError: not 0 ≤ start < stop ≤ n_layers.
        """
        stop = resolve_stop(start, stop, self.n_layers)
        options: dict[str, Tensor | None] = {"attention_mask": attention_mask_of(frame_mask, hidden.dtype)}
        if self.family == "wavlm":
            options["position_bias"] = position_bias(self.blocks, hidden.shape[1])
        states = []
        for block in list(self.blocks)[start:stop]:
            hidden = self._through(block, hidden, **options)
            states.append(hidden)
        if stop == self.n_layers and self.final_norm is not None:
            states[-1] = self.final_norm(hidden)
        return states

    def frame_counts(self, samples: Sequence[int]) -> list[int]:
        """Frames after the strided convolutions, 50 a second in every released checkpoint."""
        counts = np.asarray(samples, dtype=np.int64)
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            counts = (counts - kernel) // stride + 1
        return [int(count) for count in counts]

    def save(self, folder: Path) -> None:
        """Write the base network and its feature extractor; `AutoModel` and `AutoFeatureExtractor` open them."""
        with quiet():
            self.network.save_pretrained(folder)
        self.feature_extractor.save_pretrained(folder)
