from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.features import Clip
from tapt.recipe import Everything, FeedForwardLora, LastBlocks, Scope
from tapt.student import Student, TaptStudentError, check_reaches


def masked_batch(student: Student, clips: list[Clip]) -> tuple:
    batch = student.encoder.prepare([clip.load() for clip in clips[:2]])
    masked = np.zeros((2, max(batch.lengths)), dtype=np.bool_)
    masked[:, 5:15] = True
    return batch, masked


def top(student: Student, batch, masked) -> torch.Tensor:
    return student.states(batch, masked, [student.encoder.n_layers])[0]


@pytest.mark.parametrize(
    ("scope", "learning"), [(Everything(), {0, 1, 2}), (LastBlocks(k=1), {2}), (LastBlocks(k=2), {1, 2})]
)
def test_only_the_scope_learns(open_tiny, clips: list[Clip], scope: Scope, learning: set[int]) -> None:
    student = Student(open_tiny("hubert"), scope)
    top(student, *masked_batch(student, clips)).square().sum().backward()
    moved = {i for i, block in enumerate(student.encoder.blocks) for p in block.parameters() if p.grad is not None}
    inside = {id(p) for block in student.encoder.blocks for p in block.parameters()}
    assert moved == learning
    assert all(p.grad is None for p in student.encoder.parameters() if id(p) not in inside)


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_a_front_end_that_learns_moves_with_the_mask_embedding(open_tiny, clips: list[Clip], family) -> None:
    student = Student(open_tiny(family), Everything(front_end=True))
    top(student, *masked_batch(student, clips)).square().sum().backward()
    front = student.encoder.front_end_weights()
    assert all(weight.grad is not None for weight in front)
    assert ("network.masked_spec_embed" in student.parameters()) == (family == "wav2vec2")
    _, features = student.top_and_features(*masked_batch(student, clips))
    assert all(row.requires_grad for row in features)


def test_lora_learns_on_the_feed_forward_linears_alone(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("hubert")
    student = Student(encoder, FeedForwardLora(rank=2, last=2))
    d, inside, rank, blocks = 32, 128, 2, 2
    assert sum(p.numel() for p in student.parameters().values()) == blocks * 2 * rank * (d + inside)
    assert all("lora_" in name and "dense" in name for name in student.parameters())
    batch, masked = masked_batch(student, clips)
    student.encoder.eval()
    with torch.no_grad():  # B is zero at the start
        before = Student(encoder, None)
        assert torch.allclose(top(student, batch, masked), top(before, batch, masked), atol=1e-6)


def test_nothing_learns_without_a_scope(open_tiny) -> None:
    student = Student(open_tiny("hubert"), None)
    assert student.parameters() == {}
    assert not any(module.training for module in student.encoder.modules())


@pytest.mark.parametrize("scope", [Everything(), FeedForwardLora(rank=2)])
def test_the_encoder_it_is_made_from_stays_as_it_was(open_tiny, scope: Scope) -> None:
    encoder = open_tiny("whisper")
    before = {name: p.clone() for name, p in encoder.state_dict().items()}
    student = Student(encoder, scope)
    with torch.no_grad():
        for parameter in student.parameters().values():
            parameter.add_(1.0)
    student.adapted()
    assert all(torch.equal(before[name], p) for name, p in encoder.state_dict().items())
    assert not encoder.training


def test_what_it_was_at_an_earlier_step_can_be_had_again(open_tiny) -> None:
    student = Student(open_tiny("hubert"), FeedForwardLora(rank=2))
    with torch.no_grad():
        for parameter in student.parameters().values():
            parameter.add_(0.1)
    then = {name: weight.clone() for name, weight in student.state().items()}
    early = student.adapted()
    with torch.no_grad():
        for parameter in student.parameters().values():
            parameter.mul_(2.0)
    assert student.adapted().digest != early.digest
    assert student.adapted(then).digest == early.digest
    assert not torch.equal(next(iter(student.state().values())), next(iter(then.values())))


def test_dropout_is_on_in_learning_blocks_only(open_tiny) -> None:
    student = Student(open_tiny("hubert"), LastBlocks(k=1))
    modes = [any(m.training for m in block.modules()) for block in student.encoder.blocks]
    assert modes == [False, False, True]


def test_hidden_frames_are_hidden_and_padding_is_not_seen(open_tiny, clips: list[Clip]) -> None:
    student = Student(open_tiny("wav2vec2"), Everything())
    student.encoder.eval()
    batch, masked = masked_batch(student, clips)
    hidden = top(student, batch, masked)
    assert (hidden - top(student, batch, np.zeros_like(masked)))[:, 8].abs().max() > 1e-3
    alone = student.encoder.prepare([clips[0].load()])
    frames = alone.lengths[0]
    assert (top(student, alone, masked[:1, :frames]) - hidden[:1, :frames]).abs().max() < 1e-5


def test_states_are_those_asked_for(open_tiny, clips: list[Clip]) -> None:
    student = Student(open_tiny("whisper"), LastBlocks(k=2))
    student.encoder.eval()
    batch, masked = masked_batch(student, clips)
    with torch.no_grad():
        hidden, frame_mask = student.encoder.front_end(batch, torch.from_numpy(masked))
        states = [hidden, *student.encoder.run(hidden, frame_mask)]
        for at in ([0, 3], [1], [2, 1]):
            found = student.states(batch, masked, at)
            assert all(torch.allclose(found[i], states[state], atol=1e-6) for i, state in enumerate(at))


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [(LastBlocks(k=9), r"scope\.k is 9.*has 3 blocks"), (FeedForwardLora(last=4), r"scope\.last is 4.*has 3 blocks")],
)
def test_more_blocks_than_there_are_is_refused_with_both_numbers(open_tiny, scope: Scope, sentence: str) -> None:
    with pytest.raises(TaptStudentError, match=sentence):
        Student(open_tiny("hubert"), scope)


def test_a_scope_above_everything_that_is_read_is_refused(open_tiny) -> None:
    student = Student(open_tiny("hubert"), LastBlocks(k=1))
    check_reaches(student, 3)
    with pytest.raises(TaptStudentError, match="no hidden state above 2, but only blocks above 2 learn"):
        check_reaches(student, 2)
    check_reaches(Student(open_tiny("hubert"), Everything(front_end=True)), 0)


def test_an_encoder_with_local_attributes_is_refused(open_tiny, tmp_path: Path) -> None:
    from al_core.encoders.local_attributes import AdapterSizes, LocalAttributeEncoder, WapTransformer

    base = open_tiny("hubert")
    encoder = LocalAttributeEncoder(base, 2, WapTransformer(AdapterSizes(base.hidden_size, width=16, heads=4)))
    with pytest.raises(TaptStudentError, match="has local attributes already"):
        Student(encoder, Everything())
