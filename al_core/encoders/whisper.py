"""Whisper's encoder on a clip's true length: log-mel in, two convolutions, transformer; no padding to 30 s."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.audio import SAMPLE_RATE, Waveform
from al_core.encoders.base import Batch, EncoderError, SpeechEncoder, attention_mask_of, pad_frames, resolve_stop

PREFIX = "encoder."  # of the encoder's weights in every checkpoint that `transformers` opens


class WhisperEncoder(SpeechEncoder):
    """The encoder of Whisper with its positional embedding cropped to the clip (Radford et al., arXiv:2212.04356).

    `transformers` pads every clip to 30 s and attends to the padding. Here log-mel, convolutions and attention see a
    clip's own frames only, which costs a fraction; a clip of 30 s gives the same frames as `transformers`.
    """

    feed_forward_names = ("fc1", "fc2")
    attention_name = "self_attn"

    def __init__(self, network: Any, feature_extractor: Any, source: str) -> None:
        super().__init__()
        self.network = network
        self.config = network.config
        self.feature_extractor = feature_extractor
        self.family = "whisper"
        self.source = source
        self.hidden_size = self.config.d_model
        mel_filters = torch.from_numpy(np.asarray(feature_extractor.mel_filters, dtype=np.float32))
        self.register_buffer("_mel_filters", mel_filters.T.contiguous(), persistent=False)  # (mels, bins)
        self.register_buffer("_window", torch.hann_window(feature_extractor.n_fft), persistent=False)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks, first to last."""
        blocks: nn.ModuleList = self.network.layers
        return blocks

    @property
    def final_norm(self) -> nn.Module:
        """The layer norm behind the last block."""
        norm: nn.Module = self.network.layer_norm
        return norm

    def front_end_weights(self) -> list[nn.Parameter]:
        """The two convolutions; the positions are sines that no Whisper learns."""
        return [weight for part in (self.network.conv1, self.network.conv2) for weight in part.parameters()]

    @property
    def feature_size(self) -> int:
        """Channels of the second convolution, d."""
        return self.hidden_size

    def local_features(self, batch: Batch) -> tuple[Tensor, ...]:
        """Both convolutions, without positions: b clips of (mels, t_i) → (f_i, d) each."""
        return tuple(self._convolve(mel) for mel in batch.inputs)

    def prepare(self, waveforms: Sequence[Waveform]) -> Batch:
        """Log-mel of each clip at its own length, (mels, t) with t = samples // 160."""
        longest = max(map(len, waveforms))
        if self.frame_counts([longest])[0] > self.config.max_source_positions:
            limit = 2 * self.config.max_source_positions * self.feature_extractor.hop_length / SAMPLE_RATE
            raise EncoderError(
                f"a clip of {longest / SAMPLE_RATE:.1f} s is longer than the {limit:g} s of {self.source}: cut it"
            )
        mels = tuple(self._log_mel(waveform) for waveform in waveforms)
        return Batch(mels, tuple(self.frame_counts([len(waveform) for waveform in waveforms])))

    def _log_mel(self, waveform: Waveform) -> Tensor:
        """(T,) → (mels, t): log10 of the mel power, floored 8 below its maximum, as Whisper's own."""
        extractor, window = self.feature_extractor, self.get_buffer("_window")
        if len(waveform) <= extractor.n_fft // 2:
            raise EncoderError(f"a clip of {len(waveform)} samples is too short for {self.source}: leave it out")
        samples = torch.from_numpy(waveform).to(window.device)
        spectrum = torch.stft(samples, extractor.n_fft, extractor.hop_length, window=window, return_complex=True)
        power = spectrum[:, :-1].abs().square()  # (bins, t)
        log = (self.get_buffer("_mel_filters") @ power).clamp(min=1e-10).log10()
        return (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0

    def front_end(self, batch: Batch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolutions and positions: b clips of (mels, t_i) → (b, f, d), (b, f) bool.

        A masked frame is two mel frames of zeros, as in Whisper's SpecAugment; convolutions of three frames still see
        the neighbours of a masked span at its edges.
        """
        rows = []
        for position, mel in enumerate(batch.inputs):
            if masked is not None:
                hide = masked[position, : batch.lengths[position]].repeat_interleave(2)[: mel.shape[-1]]  # (t,)
                mel = mel.masked_fill(hide, 0.0)
            rows.append(self._embed(mel))
        return pad_frames(rows)

    def _convolve(self, mel: Tensor) -> Tensor:
        """(mels, t) → (f, d)."""
        network = self.network
        return F.gelu(network.conv2(F.gelu(network.conv1(mel[None]))))[0].T

    def _embed(self, mel: Tensor) -> Tensor:
        network = self.network
        hidden = self._convolve(mel)  # (f, d)
        hidden = hidden + network.embed_positions.weight[: len(hidden)]
        return F.dropout(hidden, p=self.config.dropout, training=network.training)

    def run(self, hidden: Tensor, frame_mask: Tensor, start: int = 0, stop: int | None = None) -> list[Tensor]:
        """Hidden states start + 1 … stop, (b, f, d) each; the last block's after the final layer norm.

        Raises:
            ValueError: not 0 ≤ start < stop ≤ n_layers.
        """
        stop = resolve_stop(start, stop, self.n_layers)
        attention_mask = attention_mask_of(frame_mask, hidden.dtype)
        states = []
        for block in list(self.blocks)[start:stop]:
            hidden = self._through(block, hidden, attention_mask=attention_mask)
            states.append(hidden)
        if stop == self.n_layers:
            states[-1] = self.final_norm(hidden)
        return states

    def frame_counts(self, samples: Sequence[int]) -> list[int]:
        """Half the mel frames, rounded up: 50 a second."""
        hop = self.feature_extractor.hop_length
        return [(count // hop + 1) // 2 for count in samples]

    def save(self, folder: Path) -> None:
        """Write the encoder as the part of an audio-classification checkpoint that is trained; the head is left to it.

        `AutoModelForAudioClassification` and `AutoFeatureExtractor` open it, and so does `AutoModel`, whose `.encoder`
        it is; both make new weights for what an encoder does not have.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        weights = {PREFIX + name: tensor.contiguous().cpu() for name, tensor in self.network.state_dict().items()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        config = type(self.config).from_dict(
            self.config.to_dict() | {"architectures": ["WhisperForAudioClassification"], "dtype": "float32"}
        )
        config.save_pretrained(folder)
        self.feature_extractor.save_pretrained(folder)
