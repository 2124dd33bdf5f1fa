"""Ranking, and what predictions and settings are in JSON."""

import json
from pathlib import Path

import pytest
import torch

from openmov.data.examples import ExampleInputs
from openmov.inference.answers import AnswerSettings, Prediction, RankedNames, example_of, ranked
from openmov.types import Modality

NAMES = ("archery", "bowling", "yawning")
INPUTS = ExampleInputs(None, None, None, None)


def prediction(**changes: object) -> Prediction:
    fields: dict[str, object] = {
        "path": Path("films/a.mp4"),
        "answers": RankedNames(("bowling",), (0.5,)),
        "modalities": (Modality.VIDEO, Modality.AUDIO),
        "by_modality": {"clip": RankedNames(("archery",), (0.75,))},
    }
    return Prediction(**(fields | changes))  # type: ignore[arg-type]


def test_the_most_probable_come_first() -> None:
    best = ranked(torch.tensor([0.25, 0.5, 0.25]), NAMES, 2)
    assert best == RankedNames(("bowling", "archery"), (0.5, 0.25))


def test_of_equals_the_first_listed_wins() -> None:
    assert ranked(torch.full((3,), 1 / 3), NAMES, 3).names == NAMES


@pytest.mark.parametrize(("top", "count"), [(1, 1), (3, 3), (9, 3)])
def test_as_many_as_asked_for_or_as_there_are(top: int, count: int) -> None:
    assert len(ranked(torch.tensor([0.2, 0.3, 0.5]), NAMES, top).names) == count


def test_json_holds_plain_values() -> None:
    assert json.loads(json.dumps(prediction(notes=("cut off",)).to_json())) == {
        "path": "films/a.mp4",
        "answers": [{"name": "bowling", "probability": 0.5}],
        "modalities": ["video", "audio"],
        "by_modality": {"clip": [{"name": "archery", "probability": 0.75}]},
        "notes": ["cut off"],
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (AnswerSettings("base", tau=0.01, views="4x3"), "base path, tau 0.01, 4x3 views, fp32 on cpu"),
        (
            AnswerSettings("frozen", tau=0.01, views="2x1", preset="fast", device="cuda:1", dtype="bf16"),
            "frozen path, tau 0.01, 2x1 views (fast), bf16 on cuda:1",
        ),
        (
            AnswerSettings("novel", beta=0.0, tau_x=0.01, tau_v=0.0003, calibrated=True),
            "novel path, beta 0, tau_x 0.01, tau_v 0.0003 (calibrated), 1x1 views, fp32 on cpu",
        ),
    ],
)
def test_settings_name_what_their_path_uses(settings: AnswerSettings, words: str) -> None:
    assert str(settings) == words
    used = {name for name in ("tau", "beta", "tau_x", "tau_v") if settings.to_json()[name] is not None}
    assert used == ({"beta", "tau_x", "tau_v"} if settings.path == "novel" else {"tau"})


def test_an_example_for_a_report_shows_every_stream_then_the_answer() -> None:
    example = example_of(prediction(), "bowling", INPUTS)
    assert (example.video_id, example.label) == ("a.mp4", "bowling")
    assert [(answer.source, answer.names) for answer in example.answers] == [
        ("clip", ("archery",)),
        ("answer", ("bowling",)),
    ]
