import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from al_core.encoders import open_encoder
from al_core.encoders.tiny import build_tiny
from tapt.__main__ import main
from tapt.heard import read_heard
from tapt.recipe import Contrastive, FeedForwardLora, TaptRecipeError
from tapt.resumable_state import newest_state
from tapt.spelled import recipe_of


@pytest.fixture
def corpus(tmp_path: Path, write_wav) -> Path:
    """Ten training clips, a test clip, and one that is too short."""
    rows = [(f"audio/{i}.wav", "train", 1.0) for i in range(10)] + [
        ("audio/t.wav", "test", 1.0),
        ("audio/s.wav", "train", 0.1),
    ]
    for i, (path, _, seconds) in enumerate(rows):
        write_wav(tmp_path / "corpus" / path, seconds=seconds, seed=i)
    manifest = tmp_path / "corpus" / "manifest.csv"
    lines = [f"{path},s{i % 3},anger,{split}" for i, (path, split, _) in enumerate(rows)]
    manifest.write_text("\n".join(["path,speaker,label,split", *lines]), encoding="utf-8")
    return manifest


@pytest.fixture
def arguments(corpus: Path, tmp_path: Path) -> list[str]:
    """A run of 24 short steps with dropout on, whose states come every second step."""
    encoder = build_tiny("hubert", tmp_path / "tiny")
    settings = {"seconds_per_step": 4, "checkpoint_every": 2, "objective.units": 6}
    return [
        "run", "--manifest", str(corpus), "--encoder", str(encoder), "--steps", "24",
        *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
    ]  # fmt: skip


def test_a_run_killed_with_sigkill_ends_with_the_weights_of_an_unbroken_one(
    arguments: list[str], tmp_path: Path
) -> None:
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", "tapt", *arguments, "--out", str(broken)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:
        while (newest_state(broken) or broken).name < "step-00000006":
            assert child.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert not (broken / "tapt.json").exists()
    assert main(["resume", str(broken)]) == 0
    assert main([*arguments, "--out", str(unbroken)]) == 0
    first, second = (open_encoder(folder).state_dict() for folder in (broken, unbroken))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_clips_that_cannot_be_used_are_named_and_the_rest_adapted_to(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "left out  audio/s.wav" in told
    assert "10 clips" in told
    assert len(read_heard(out) or ()) == 10


def test_a_folder_that_holds_a_run_is_not_begun_again_but_resumed(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 0
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 1
    assert "`resume` goes on with it" in capsys.readouterr().err
    assert main(["resume", str(out)]) == 0
    assert main(["resume", str(tmp_path / "nothing")]) == 1
    assert "holds no run to go on with" in capsys.readouterr().err


def test_a_refusal_is_one_sentence_and_code_1(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main([*arguments, "--set", "objective.units=1", *out]) == 1
    assert capsys.readouterr().err.startswith("error: recipe.objective.units is 1")
    assert main([*arguments, "--encoder", str(tmp_path / "nowhere"), *out]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main([*arguments, "--processes", "0", *out]) == 1
    assert "processes is 0" in capsys.readouterr().err


def test_a_corpus_without_a_train_split_is_refused_unless_all_of_it_may_be_heard(
    arguments: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.write_text("path,speaker,label\n" + "\n".join(f"audio/{i}.wav,s,anger" for i in range(10)), encoding="utf-8")
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "--split all" in capsys.readouterr().err
    assert main([*arguments, "--steps", "2", "--split", "all", "--out", str(tmp_path / "out")]) == 0


def test_an_adapted_encoder_is_evaluated_on_speakers_it_did_not_hear(
    arguments: list[str], tmp_path: Path, write_wav, capsys: pytest.CaptureFixture[str]
) -> None:
    out, written = tmp_path / "out", tmp_path / "figures.json"
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 0
    rows = [f"audio/{i}.wav,s{i % 3},{('anger', 'sadness')[i // 3 % 2]},train" for i in range(10)]
    for i in range(16):
        write_wav(tmp_path / "corpus" / f"audio/n{i}.wav", seconds=0.5, seed=100 + i)
        rows.append(f"audio/n{i}.wav,t{i // 4},{('anger', 'sadness')[i % 2]},test")
    labelled = tmp_path / "corpus" / "labelled.csv"
    labelled.write_text("\n".join(["path,speaker,label,split", *rows]), encoding="utf-8")
    asked = ["evaluate", "--before", str(tmp_path / "tiny"), "--after", str(out), "--manifest", str(labelled)]
    asked += ["--cache", str(tmp_path / "cache"), "--output", str(written), "--seeds", "2"]
    capsys.readouterr()
    assert main([*asked, "--layers", "all", "--fractions", "0.5,1"]) == 0
    found = json.loads(written.read_text())
    assert [(row["layer"], row["fraction"]) for row in found["rows"]] == [
        (layer, fraction) for layer in range(4) for fraction in (0.5, 1.0)
    ]
    assert all(len(found["points"]) == 16 and 0 <= point["before"] <= 1 for point in found["points"])
    assert "TAPT heard 3 of the speakers" in found["notes"][0]
    assert "UAR of a probe on held-out speakers, 2 folds" in " ".join(capsys.readouterr().out.split())


def test_test_clips_that_were_heard_are_refused_with_their_ids(
    arguments: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([*arguments, "--steps", "2", "--out", str(out)]) == 0
    rows = [f"audio/{i}.wav,s{i % 3},{('anger', 'sadness')[i % 2]},test" for i in range(10)]
    corpus.write_text("\n".join(["path,speaker,label,split", *rows]), encoding="utf-8")
    asked = ["evaluate", "--before", str(tmp_path / "tiny"), "--after", str(out), "--manifest", str(corpus)]
    assert main([*asked, "--cache", str(tmp_path / "cache")]) == 1
    told = capsys.readouterr().err
    assert "TAPT heard dev or test audio" in told
    assert any(key in told for key in read_heard(out) or ())


@pytest.mark.parametrize("verb", ["", "run", "resume", "evaluate"])
def test_help_ends_without_importing_torch(verb: str) -> None:
    given = [verb, "--help"] if verb else ["--help"]
    probe = f"import sys, tapt.__main__ as m\ntry: m.main({given})\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert ("examples:" in done.stdout) == (verb == "")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (["objective.units"], "sets nothing"),
        (["objective.kind=guessing"], "recipe.objective.kind is 'guessing'"),
        (["scope.kind=last_blocks", "scope.k=0"], "recipe.scope.k is 0"),
        (["steps=many"], "recipe.steps is 'many'"),
        (["steps.more=1", "steps=2", "steps.more=1"], "is no group of fields"),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: list[str], field: str) -> None:
    with pytest.raises(TaptRecipeError, match=field):
        recipe_of(None, None, settings)


def test_settings_spell_any_objective_and_scope() -> None:
    settings = ["objective.negatives=7", "recipe.scope.rank=4", "learning_rate=2e-5", "objective.quantiser=fresh"]
    recipe = recipe_of("contrastive", "lora", settings)
    assert recipe.objective == Contrastive(quantiser="fresh", negatives=7)
    assert (recipe.scope, recipe.learning_rate) == (FeedForwardLora(rank=4), 2e-5)
