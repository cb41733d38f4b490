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
from tapt.resumable_state import newest_state


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
    """A run of 40 short steps with dropout on, whose states come every second step."""
    encoder = build_tiny("hubert", tmp_path / "tiny")
    options = {
        "manifest": corpus,
        "encoder": encoder,
        "steps": 40,
        "units": 6,
        "seconds-per-step": 4,
        "checkpoint-every": 2,
    }
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


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
    assert main([*arguments, "--out", str(broken), "--resume"]) == 0
    assert main([*arguments, "--out", str(unbroken)]) == 0
    first, second = (open_encoder(folder).state_dict() for folder in (broken, unbroken))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_clips_that_cannot_be_used_are_named_and_the_rest_adapted_to(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--steps", "2", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "left out  audio/s.wav" in told
    assert "10 clips" in told


def test_a_folder_that_holds_a_run_is_not_touched_without_resume(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--steps", "2", "--out", str(tmp_path / "out")]
    assert main([*arguments, *out]) == 0
    assert main([*arguments, *out]) == 1
    assert "add --resume" in capsys.readouterr().err
    assert main([*arguments, *out, "--resume"]) == 0


def test_a_refusal_is_one_sentence_and_code_1(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--units", "1", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("error: units is 1")
    assert main([*arguments, "--encoder", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_a_corpus_without_a_train_split_is_refused_unless_all_of_it_may_be_heard(
    arguments: list[str], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.write_text("path,speaker,label\n" + "\n".join(f"audio/{i}.wav,s,anger" for i in range(10)), encoding="utf-8")
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "--split all" in capsys.readouterr().err
    assert main([*arguments, "--steps", "2", "--split", "all", "--out", str(tmp_path / "out")]) == 0


def test_help_ends_without_importing_torch() -> None:
    probe = "import sys, tapt.__main__ as m\ntry: m.main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "examples:" in done.stdout
