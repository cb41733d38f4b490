"""Rows of embeddings read in float32 blocks: kernels for pools too large to copy, on whatever device torch has."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_core.pool import Floats, Ints

_CPU = torch.device("cpu")
_BLOCK = 8192  # rows converted at once: 25 MB at 768 wide
_CENTRES = 1024  # centres compared with a block at once: 34 MB of distances


def fastest_device() -> torch.device:
    """The accelerator where torch has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """(n, d) rows of one or more arrays, one after another, of any float type, memory-mapped or not.

    Attributes:
        parts: arrays (n_i, d).
        unit: whether each row is divided by its length as it is read.
        device: where blocks are multiplied.
    """

    parts: tuple[NDArray[Any], ...]
    unit: bool = False
    device: torch.device = _CPU

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of 0 … n and their rows, (b, d) float32 on the device."""
        begun = 0
        for part in self.parts:
            for start in range(0, len(part), _BLOCK):
                block = _tensor(part[start : start + _BLOCK]).to(self.device).float()
                yield slice(begun + start, begun + start + len(block)), _unit(block) if self.unit else block
            begun += len(part)

    def take(self, positions: Ints) -> Floats:
        """(len(positions), d) float32 rows."""
        taken = np.empty((len(positions), self.parts[0].shape[1]), np.float32)
        begun = 0
        for part in self.parts:
            own = (positions >= begun) & (positions < begun + len(part))
            taken[own] = _tensor(part[positions[own] - begun]).float().numpy()  # numpy is slow at float16
            begun += len(part)
        return _unit(torch.from_numpy(taken)).numpy() if self.unit else taken

    def lengths(self) -> Floats:
        """(n,) squared lengths."""
        squares = np.empty(len(self), np.float32)
        for where, block in self.blocks():
            squares[where] = _squares(block).cpu().numpy()
        return squares

    def mean(self) -> Floats:
        """(d,) mean row."""
        total = torch.zeros(self.parts[0].shape[1], dtype=torch.float64, device=self.device)
        for _, block in self.blocks():
            total += block.sum(dim=0, dtype=torch.float64)
        return (total / max(len(self), 1)).float().cpu().numpy()

    def products(self, centres: Floats) -> Iterator[tuple[slice, Floats]]:
        """Slices of 0 … n and the inner products (b, k) of their rows with (k, d) centres."""
        there = torch.from_numpy(centres).to(self.device)
        for where, block in self.blocks():
            yield where, (block @ there.T).cpu().numpy()

    def squares_to(self, row: Floats, lengths: Floats) -> Floats:
        """(n,) squared distances to one (d,) row, with `lengths()` given: a single read of the rows."""
        squares = np.empty(len(self), np.float32)
        for where, products in self.products(row[None]):
            squares[where] = lengths[where] + row @ row - 2 * products[:, 0]
        return np.maximum(squares, 0)

    def nearest(self, centres: Floats) -> tuple[Floats, Ints]:
        """Squared distance (n,) of each row to its nearest centre, and which centre (n,); centres are (k, d), k ≥ 1.

        ‖x − y‖² = ‖x‖² − 2 x·y + ‖y‖², never below 0.
        """
        squares, which = np.empty(len(self), np.float32), np.empty(len(self), np.int64)
        there = torch.from_numpy(centres).to(self.device)
        for where, block in self.blocks():
            least, index = _nearest_in(block, there)
            squares[where], which[where] = least.cpu().numpy(), index.cpu().numpy()
        return squares, which

    def not_finite(self) -> int | None:
        """Position of the first row with a NaN or an infinite value."""
        for where, block in self.blocks():
            broken = ~torch.isfinite(block.sum(dim=1))
            if broken.any():
                return int(where.start) + int(broken.int().argmax())
        return None


def _tensor(rows: NDArray[Any]) -> Tensor:
    """The rows without a copy where torch may have them: it wants memory it could write to."""
    return torch.from_numpy(rows if rows.flags.writeable and rows.flags.c_contiguous else np.array(rows))


def _unit(block: Tensor) -> Tensor:
    lengths = torch.linalg.vector_norm(block, dim=1, keepdim=True)
    return block / torch.where(lengths > 0, lengths, 1)


def _squares(block: Tensor) -> Tensor:
    return torch.einsum("nd,nd->n", block, block)


def _nearest_in(block: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """(b,) least squared distance and (b,) centre, the centres read in chunks."""
    own = _squares(block)
    least = torch.full_like(own, torch.inf)
    which = torch.zeros(len(block), dtype=torch.int64, device=block.device)
    for start in range(0, len(centres), _CENTRES):
        chunk = centres[start : start + _CENTRES]
        reach, index = torch.addmm(_squares(chunk)[None], block, chunk.T, alpha=-2).min(dim=1)
        reach = (reach + own).clamp_min(0)
        which = torch.where(reach < least, index + start, which)
        least = torch.minimum(least, reach)
    return least, which
