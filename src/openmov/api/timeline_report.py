"""The page about timelines, and the JSON beside it: a band a file, with a picture from every segment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from openmov.api.facts import licence_in_words
from openmov.api.moments import FileTimeline, Segment
from openmov.api.predictor import Predictor
from openmov.api.timeline import TimelineSettings
from openmov.errors import DecodeError
from openmov.evaluation.result import Failure
from openmov.evaluation.timeline_page import Band, Block, TimelinePage, write_timeline_page
from openmov.media.decode import read_frames
from openmov.runtime.own_files import stamped
from openmov.text.vocabulary import Vocabulary

_MOST_PICTURES = 60
"""Segments of a file that get a picture: the longest ones."""


def timeline_facts(predictor: Predictor, vocabulary: Vocabulary, settings: TimelineSettings) -> dict[str, Any]:
    """Who answered, among which names, and how the videos were cut: plain values."""
    return {
        "backbone": predictor.backbone_json(),
        **({} if predictor.sound is None else {"sound": predictor.sound_json()}),
        "vocabulary": {**asdict(vocabulary), "identity": vocabulary.identity},
        "settings": predictor.settings(vocabulary).to_json(),
        "windows": {
            "window_seconds": settings.window_seconds,
            "hop_seconds": settings.hop,
            "min_seconds": settings.shortest,
            "margin": settings.margin,
        },
    }


def write_timeline_report(
    page: Path, found: Sequence[FileTimeline], failed: Sequence[DecodeError], facts: Mapping[str, Any], settings: str
) -> None:
    """Writes the page, and the same with every number as JSON beside it. Raises StorageError."""
    windows = facts["windows"]
    cut = f"windows of {windows['window_seconds']:g} s every {windows['hop_seconds']:g} s"
    rows = (
        ("backbone", f"{facts['backbone']['name']} ({facts['backbone']['identity'][:12]})"),
        ("licence", licence_in_words(facts["backbone"])),
        ("revision", facts["backbone"]["revision"] or "of no hub"),
        *((("sound", f"{heard['name']} ({heard['identity'][:12]})"),) if (heard := facts.get("sound")) else ()),
        ("answers", settings),
        ("names", f"{len(facts['vocabulary']['base']) + len(facts['vocabulary']['novel'])}"),
        ("cut into", f"{cut}; no segment shorter than {windows['min_seconds']:g} s"),
    )
    content = TimelinePage(
        "What happens when",
        tuple(_band(one) for one in found),
        rows,
        tuple(Failure(error.where, error.what) for error in failed),
    )
    data = stamped(facts) | {
        "timelines": [one.to_json() for one in found],
        "failures": [asdict(f) for f in content.failures],
    }
    write_timeline_page(page, content, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _band(one: FileTimeline) -> Band:
    longest = sorted(one.segments, key=lambda s: s.start_seconds - s.end_seconds)[:_MOST_PICTURES]
    pictured = {segment.start_seconds for segment in longest}
    blocks = [_block(one.path, segment, segment.start_seconds in pictured) for segment in one.segments]
    sure = [(w.start_seconds, w.end_seconds, w.answers.names[0], w.answers.probabilities[0]) for w in one.windows]
    return Band(str(one.path), tuple(blocks), tuple(sure), one.notes)


def _block(path: Path, segment: Segment, pictured: bool) -> Block:
    middle = (segment.start_seconds + segment.end_seconds) / 2
    picture = _picture(path, middle) if pictured else None
    return Block(segment.start_seconds, segment.end_seconds, segment.name, segment.probability, segment.known, picture)


def _picture(path: Path, seconds: float) -> UInt8[np.ndarray, "height width 3"] | None:
    try:
        image: UInt8[np.ndarray, "height width 3"] = read_frames(path, [seconds]).images[0]
        return image
    except DecodeError:  # sound only
        return None
