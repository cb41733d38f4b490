"""The contrastive objective, against `Wav2Vec2ForPreTraining` of `transformers`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import Clip
from tapt.carried_quantiser import read_quantiser
from tapt.contrastive import ContrastiveHead, contrastive_logits
from tapt.masking import mask_spans
from tapt.negatives import draw_negatives
from tapt.pretrain import pretrain
from tapt.randomness import Stream, drawn_from
from tapt.recipe import Contrastive, Everything, TaptRecipe
from tapt.run_state import RunState, start_run
from tapt.share import Share
from tapt.units import TaptUnitsError


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny wav2vec 2.0 checkpoint for pretraining, without dropout, and its folder."""
    import transformers

    folder = tmp_path_factory.mktemp("pretraining")
    silent = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0)
    config = transformers.Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_codevectors_per_group=10,
        codevector_dim=16,
        proj_codevector_dim=16,
        num_negatives=7,
        contrastive_logits_temperature=0.2,
        diversity_loss_weight=0.3,
        feat_quantizer_dropout=0.0,
        layerdrop=0.0,
        **silent,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = transformers.Wav2Vec2ForPreTraining(config)
        torch.nn.init.normal_(network.project_hid.bias)  # a loss that would miss it differs
    network.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return network, folder


OBJECTIVE = Contrastive(
    negatives=7, temperature=0.2, diversity_weight=0.3, gumbel_start=0.7, gumbel_end=0.7, mask_share=0.4, mask_span=4
)


def started(encoder: SpeechEncoder, clips: list[Clip], objective: Contrastive = OBJECTIVE) -> RunState:
    run = start_run(TaptRecipe(objective, scope=Everything(front_end=True)), encoder, clips, Path("unused"))
    list(run.objective.prepare(run.student, 1))
    return run


def same_length(clips: list[Clip]) -> list[Clip]:
    """Two clips of one second: `transformers` sees no padding then, which it would not hide from its first layers."""
    return [Clip(clip.key, 1.0, None, lambda clip=clip: clip.load()[:16_000]) for clip in clips[2:4]]


def test_the_loss_and_its_gradients_are_those_of_transformers(pretraining, clips: list[Clip]) -> None:
    theirs, folder = pretraining
    pair = same_length(clips)
    run = started(open_encoder(folder), pair, replace(OBJECTIVE, diversity_weight=0.0))
    frames, rngs = 49, Share.of((0, 1), 5, 1).rngs
    masked = mask_spans([frames] * 2, OBJECTIVE.mask_share, OBJECTIVE.mask_span, rngs)
    negatives = draw_negatives(masked.sum(1).tolist(), OBJECTIVE.negatives, rngs)
    indices = np.zeros((2, frames, OBJECTIVE.negatives), dtype=np.int64)
    for row, drawn in enumerate(negatives):
        indices[row][masked[row]] = np.flatnonzero(masked[row])[drawn] + row * frames
    waveforms = torch.stack(list(run.student.encoder.prepare([clip.load() for clip in pair]).inputs))

    # The choice of entries is noise in training; in evaluation both are deterministic.
    for module in (theirs, run.student.encoder, *modules_of(run)):
        module.eval()
    literal = theirs(
        waveforms, mask_time_indices=torch.from_numpy(masked), sampled_negative_indices=torch.from_numpy(indices)
    )
    loss: Any = run.objective.loss(run.student, Share.of((0, 1), 5, 1), 1).loss
    n = int(masked.sum())
    assert loss.item() == pytest.approx(literal.contrastive_loss.item() / n, rel=1e-4)
    theirs.zero_grad()
    literal.contrastive_loss.backward()
    loss.backward()
    learned = run.student.parameters()
    compared = 0
    for name, weight in theirs.wav2vec2.named_parameters():
        if weight.grad is not None and name.startswith(("encoder.layers", "feature_projection", "feature_extractor")):
            mine = learned[f"network.{name}"].grad
            assert mine is not None
            assert torch.allclose(mine, weight.grad / n, atol=1e-4), name
            compared += 1
    assert compared > 40


def modules_of(run: RunState) -> list[torch.nn.Module]:
    """The modules that hold the objective's parameters."""
    wanted = {id(parameter) for parameter in run.objective.parameters()}
    found = [value for value in vars(run.objective).values() if isinstance(value, torch.nn.Module)]
    assert {id(p) for module in found for p in module.parameters()} == wanted
    return found


def test_the_whole_loss_is_that_of_transformers_when_every_frame_is_hidden(pretraining, clips: list[Clip]) -> None:
    """Then both draw the same noise for the same frames: the diversity loss and the straight-through choice agree."""
    theirs, folder = pretraining
    encoder = open_encoder(folder)
    carried = read_quantiser(encoder)
    assert carried is not None
    pair = same_length(clips)
    waveforms = torch.stack(list(encoder.prepare([clip.load() for clip in pair]).inputs))
    negatives = draw_negatives([49, 49], 7, [np.random.default_rng(2)] * 2)
    indices = torch.from_numpy(np.stack([drawn + 49 * row for row, drawn in enumerate(negatives)]))
    theirs.train()
    theirs.set_gumbel_temperature(0.7)
    torch.manual_seed(4)
    everything = torch.ones(2, 49, dtype=torch.bool)
    literal = theirs(waveforms, mask_time_indices=everything, sampled_negative_indices=indices)

    head = ContrastiveHead(OBJECTIVE, encoder).train()
    batch = encoder.prepare([clip.load() for clip in pair])
    hidden, frame_mask = encoder.front_end(batch, masked=everything)
    hidden = encoder.run(hidden, frame_mask)[-1]
    torch.manual_seed(4)
    noise = -torch.empty(98, 2, 10).exponential_().log()  # as `gumbel_softmax` draws it
    context, targets, quantised = head(hidden.flatten(0, 1), torch.cat(encoder.local_features(batch)), 0.7, noise)
    logits, _ = contrastive_logits(context, targets, quantised.codes, negatives)
    cross_entropy = torch.nn.functional.cross_entropy(logits / 0.2, torch.zeros(98, dtype=torch.int64))
    assert cross_entropy.item() == pytest.approx(literal.contrastive_loss.item() / 98, rel=1e-3)
    assert ((20 - quantised.perplexity) / 20).item() == pytest.approx(literal.diversity_loss.item() / 98, rel=1e-4)


def test_a_checkpoint_for_pretraining_brings_its_quantiser_and_others_do_not(pretraining, open_tiny) -> None:
    theirs, folder = pretraining
    carried = read_quantiser(open_encoder(folder))
    assert carried is not None
    assert torch.equal(carried.quantiser.codevectors, theirs.quantizer.codevectors)
    assert torch.equal(carried.project_quantised.weight, theirs.project_q.weight)
    assert torch.equal(carried.project_hidden.bias, theirs.project_hid.bias)
    assert read_quantiser(open_tiny("wav2vec2")) is None
    assert read_quantiser(open_tiny("whisper")) is None


def test_a_new_quantiser_warms_up_before_the_encoder_moves_and_a_carried_one_does_not(
    pretraining, open_tiny, clips: list[Clip]
) -> None:
    objective = Contrastive(entries=8, negatives=5, quantiser_warmup_share=0.25)
    fresh = start_run(TaptRecipe(objective, steps=8), open_tiny("hubert"), clips, Path("unused")).objective
    assert [fresh.moves_encoder(step) for step in range(1, 5)] == [False, False, True, True]
    carried = start_run(TaptRecipe(objective, steps=8), open_encoder(pretraining[1]), clips, Path("unused")).objective
    assert carried.moves_encoder(1)
    asked = Contrastive(quantiser="fresh")
    again = start_run(TaptRecipe(asked, steps=8), open_encoder(pretraining[1]), clips, Path("unused")).objective
    assert not again.moves_encoder(1)


def test_the_encoder_stays_where_it_was_while_the_quantiser_warms_up(
    open_tiny, clips: list[Clip], tmp_path: Path
) -> None:
    encoder = open_tiny("hubert")
    objective = Contrastive(entries=8, negatives=5, quantiser_warmup_share=0.9)
    recipe = TaptRecipe(objective, steps=10, seconds_per_step=4.0, checkpoint_every=3)
    for report in pretrain(recipe, encoder, clips, tmp_path):
        if report.stage == "train" and report.step == 9:
            break
    state = torch.load(tmp_path / "states" / "step-00000009" / "state.pt", weights_only=True)
    before = dict(encoder.named_parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in state["student"].items())


def test_the_temperature_falls_by_the_same_factor_and_stays_at_its_end(open_tiny, clips: list[Clip]) -> None:
    def temperatures(objective: Contrastive, steps: int) -> list[float]:
        running: Any = start_run(TaptRecipe(objective, steps=steps), open_tiny("hubert"), clips, Path("u")).objective
        return [running.gumbel_temperature(step) for step in range(1, steps + 1)]

    even = temperatures(Contrastive(entries=4), 5)
    assert even == pytest.approx([2.0 * 0.25 ** (i / 4) for i in range(5)])
    given = temperatures(Contrastive(entries=4, gumbel_factor=0.5), 4)
    assert given == pytest.approx([2.0, 1.0, 0.5, 0.5])
    assert temperatures(Contrastive(entries=4), 1) == [2.0]


def test_a_distractor_with_the_codes_of_the_target_is_left_out() -> None:
    context = torch.nn.functional.normalize(torch.randn(5, 4), dim=-1)
    codes = torch.tensor([[0, 1], [0, 1], [2, 1], [0, 1], [3, 3]])
    negatives = [np.array([[1, 2], [0, 2], [0, 1]]), np.array([[1, 1], [0, 0]])]
    logits, candidates = contrastive_logits(context, context, codes, negatives)
    assert torch.isinf(logits).tolist() == [
        [False, True, False],
        [False, True, False],
        [False, False, False],
        [False, False, False],
        [False, False, False],
    ]
    assert candidates.tolist() == [[0, 1, 2], [1, 0, 2], [2, 0, 1], [3, 4, 4], [4, 3, 3]]
    assert logits[3, 1].item() == pytest.approx(float(context[3] @ context[4]))


@pytest.mark.parametrize("share", [0.05, 0.09, 0.49])
def test_light_and_heavy_masking_hide_what_they_say(open_tiny, clips: list[Clip], share: float) -> None:
    encoder = open_tiny("hubert")
    run = started(encoder, clips, Contrastive(entries=8, negatives=5, mask_share=share, mask_span=2))
    total = sum(encoder.frame_counts([len(clip.load()) for clip in clips]))
    hidden = [
        run.objective.loss(run.student, Share.of(range(12), seed, 1), 1).wanted[0].sum() / total for seed in range(4)
    ]
    assert np.mean(hidden) == pytest.approx(share, abs=0.025)


def test_the_whole_codebook_of_a_new_quantiser_is_in_use_from_the_start(open_tiny, clips: list[Clip]) -> None:
    run = started(open_tiny("whisper"), clips, Contrastive(entries=8, negatives=5))
    with drawn_from(0, Stream.DROPOUT, 1, run.student.device):
        wanted = run.objective.loss(run.student, Share.of(range(12), 0, 1), 1).wanted
    assert (wanted > 0).sum(1).min() >= 7


def test_a_clip_too_short_for_a_distractor_is_refused_by_name(open_tiny, clips: list[Clip]) -> None:
    short = Clip("short", 0.07, None, lambda: np.zeros(1120, dtype=np.float32))
    with pytest.raises(TaptUnitsError, match="clip short has 3 frames, 4 are needed"):
        started(open_tiny("hubert"), [*clips, short], Contrastive(entries=8))
