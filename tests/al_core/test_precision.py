"""Which type the matrix products of a training step run in."""

import ctypes
import subprocess
import sys

import pytest
import torch

from al_core.precision import autocast, compute_dtype
from al_core.recipe import RecipeError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("precision", "device", "has_bf16", "dtype"),
    [
        ("auto", CPU, False, torch.float32),
        ("auto", CUDA, True, torch.bfloat16),
        ("auto", CUDA, False, torch.float16),
        ("bf16", CPU, False, torch.bfloat16),
        ("fp16", CUDA, True, torch.float16),
        ("fp32", CUDA, True, torch.float32),
    ],
)
def test_auto_is_the_best_the_device_has_and_a_named_type_is_taken(precision, device, has_bf16, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert compute_dtype(precision, device) == dtype


def test_fp16_is_refused_on_a_cpu_by_name():
    with pytest.raises(RecipeError, match=r'recipe\.precision is "fp16"'):
        compute_dtype("fp16", CPU)


def test_autocast_changes_products_only_and_nothing_in_float32():
    with autocast(torch.bfloat16, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast(torch.float32, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


GROWTH = """
import ctypes, torch
from al_core.precision import autocast, compute_dtype
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c mapped d e used free f".split()]
mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
torch.set_num_threads(1)
device = torch.device("cpu")
dtype = compute_dtype("bf16", device)
linear = torch.nn.Linear(384, 1536)
used = []
for frames in range(40, 160):
    x = torch.randn(1, frames, 384, requires_grad=True)
    with autocast(dtype, device):
        linear(x).sum().backward()
    del x
    now = mallinfo()
    used.append((now.used + now.mapped) / 2**20)
print(used[-1] - used[20])
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc tells how much memory is in use")
def test_bf16_on_a_cpu_does_not_keep_a_kernel_for_every_shape_it_has_seen():
    """A hundred shapes, each of which would leave about 1.7 MB behind."""
    done = subprocess.run([sys.executable, "-c", GROWTH], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 40
