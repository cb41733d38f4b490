import numpy as np
import pytest
import torch

from al_core.features import Clip
from tapt.student import Student, TaptStudentError


def masked_batch(student: Student, clips: list[Clip]) -> tuple:
    batch = student.encoder.prepare([clip.load() for clip in clips[:2]])
    masked = np.zeros((2, max(batch.lengths)), dtype=np.bool_)
    masked[:, 5:15] = True
    return batch, masked


@pytest.mark.parametrize(("train_last", "learning"), [(0, {0, 1, 2}), (1, {2}), (2, {1, 2})])
def test_only_the_last_blocks_learn(open_tiny, clips: list[Clip], train_last: int, learning: set[int]) -> None:
    student = Student(open_tiny("hubert"), train_last)
    student.hidden(*masked_batch(student, clips)).square().sum().backward()
    moved = {i for i, block in enumerate(student.encoder.blocks) for p in block.parameters() if p.grad is not None}
    inside = {id(p) for block in student.encoder.blocks for p in block.parameters()}
    assert moved == learning
    assert all(p.grad is None for p in student.encoder.parameters() if id(p) not in inside)


def test_the_encoder_it_is_made_from_stays_as_it_was(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("whisper")
    before = {name: p.clone() for name, p in encoder.state_dict().items()}
    student = Student(encoder, 0)
    with torch.no_grad():
        for parameter in student.parameters().values():
            parameter.add_(1.0)
    assert all(torch.equal(before[name], p) for name, p in encoder.state_dict().items())
    assert not encoder.training


def test_dropout_is_on_in_learning_blocks_only(open_tiny, clips: list[Clip]) -> None:
    student = Student(open_tiny("hubert"), 1)
    modes = [any(m.training for m in block.modules()) for block in student.encoder.blocks]
    assert modes == [False, False, True]


def test_hidden_frames_are_hidden(open_tiny, clips: list[Clip]) -> None:
    student = Student(open_tiny("wav2vec2"), 0)
    student.encoder.eval()
    batch, masked = masked_batch(student, clips)
    visible = student.hidden(batch, np.zeros_like(masked))
    assert (student.hidden(batch, masked) - visible)[:, 8].abs().max() > 1e-3


def test_more_blocks_than_there_are_is_refused_with_both_numbers(open_tiny) -> None:
    with pytest.raises(TaptStudentError, match=r"train_last is 9.*has 3 blocks"):
        Student(open_tiny("hubert"), 9)
