"""Predictions as a page: pictures of each video beside its answers.

Predictor + Prediction --> ShownVideo, one by one --> PredictionPage --> HTML, and JSON beside it
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from openmov.errors import DecodeError
from openmov.evaluation.result import Failure
from openmov.inference.answers import FileTimeline, Prediction, RankedNames, Segment
from openmov.inference.predictor import Predictor
from openmov.inference.timeline import TimelineSettings
from openmov.media.decode import read_frames
from openmov.report.content import Answer, FactGroup
from openmov.report.pictures import flow_strip, frames_strip, sound_strip
from openmov.report.predictions import PredictionPage, ShownVideo, write_prediction_page
from openmov.report.timeline import Band, Block, TimelinePage, write_timeline_page
from openmov.runs.provenance import licence_in_words, machine_facts, software_facts
from openmov.runtime.own_files import stamped
from openmov.text.vocabulary import Vocabulary

_STREAMS = {
    "clip": "frozen frames alone",
    "video": "video alone",
    "flow": "motion alone",
    "audio": "sound alone",
    "both": "video with its sound",
}
_SEEN = {"video": "saw video", "flow": "saw motion", "audio": "heard sound"}
_SHOWN_NAMES = 12


class PredictionReport:
    """Takes predictions as they come, and writes the page at the end."""

    def __init__(self, predictor: Predictor, vocabulary: Vocabulary) -> None:
        self._predictor, self._vocabulary = predictor, vocabulary
        self._videos: list[ShownVideo] = []
        self._failures: list[Failure] = []

    def add(self, answer: Prediction | DecodeError) -> None:
        """One file more, with its pictures where it can be looked at."""
        if isinstance(answer, DecodeError):
            self._failures.append(Failure(answer.where, answer.what))
        else:
            self._videos.append(shown_video(self._predictor, answer))

    def write(self, path: Path, data: dict[str, Any], notes: Sequence[str] = ()) -> Path:
        """Writes the page and, beside it, `data` as JSON; returns where the JSON is. Raises StorageError."""
        page = PredictionPage(
            title=self._title(),
            summary=f"Answered by {_who(self._predictor)}, among {len(self._vocabulary.names)} names.",
            date=time.strftime("%Y-%m-%d"),
            videos=tuple(self._videos),
            failures=tuple(self._failures),
            facts=self._facts(),
            notes=tuple(notes),
        )
        return write_prediction_page(path, page, data)

    def _title(self) -> str:
        if len(self._videos) == 1:
            return f"What {self._videos[0].name} shows"
        return f"What {len(self._videos)} videos show"

    def _facts(self) -> tuple[FactGroup, ...]:
        (name, identity), names = self._predictor.backbone, self._vocabulary.names
        more = len(names) - _SHOWN_NAMES
        listed = " · ".join(names[:_SHOWN_NAMES]) + (f" · and {more} more" if more > 0 else "")
        answered = {
            "backbone": f"{name} ({identity[:12]})",
            "licence": licence_in_words(self._predictor.backbone_json()),
            "revision": self._predictor.revision or "of no hub",
            "probabilities": str(self._predictor.settings(self._vocabulary)),
            **_sound_facts(self._predictor),
            "prompts": self._vocabulary.prompts,
            "names": listed,
        }
        return (
            FactGroup("Answers", tuple(answered.items())),
            FactGroup("Software and machine", tuple({**software_facts(), **machine_facts()}.items())),
        )


def _who(predictor: Predictor) -> str:
    """The backbone, and the tower that hears where that is another model."""
    name, tower = predictor.backbone[0], predictor.sound
    return name if tower is None or tower.name == name else f"{name} and, of the sound, {tower.name}"


def _sound_facts(predictor: Predictor) -> dict[str, str]:
    """Which pretrained tower hears, and how far it can reach."""
    tower, lead = predictor.sound, predictor.confident_lead
    if tower is None:
        return {}
    facts = {"sound": f"{tower.name} ({tower.identity[:12]}), {tower.source}"}
    if predictor.sees:
        facts["sound can overrule"] = _reach(lead)
    return facts


def _reach(lead: float | None) -> str:
    """Which pictures stand whatever the sound says, where their best name must lead by `lead`; None: none do."""
    if lead is None or lead >= 1:
        return "any pictures"
    if lead == 0:
        return "none: its weight is 0"
    return f"pictures whose best name leads their second by {lead:.2f} or less; all others stand"


def shown_video(predictor: Predictor, prediction: Prediction) -> ShownVideo:
    """A prediction with its pictures; without them, and a note why, where the file cannot be looked at."""
    streams = tuple(_answer(_stream(name, prediction), best) for name, best in prediction.by_modality.items())
    pictures, notes = _pictures(predictor, prediction.path)
    return ShownVideo(
        path=str(prediction.path),
        answer=_answer("the answer" if streams else "most probable", prediction.answers),
        streams=streams,
        seen=tuple(_SEEN[modality] for modality in prediction.modalities),
        notes=(*_unfit(prediction), *prediction.notes, *notes),
        **pictures,
    )


def _pictures(predictor: Predictor, path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        seen = predictor.look(path)
    except DecodeError as error:
        return {}, (f"no pictures: {error.what}",)
    pictures: dict[str, Any] = {}
    if seen.frames is not None:
        pictures["frames"] = frames_strip(seen.frames)
    if seen.flow_px is not None:
        pictures["flow"], pictures["full_colour_px"] = flow_strip(seen.flow_px)
    if seen.spectrogram is not None:
        pictures |= {"sound": sound_strip(seen.spectrogram), "sound_seconds": seen.sound_seconds}
    return pictures, ()


def _unfit(prediction: Prediction) -> tuple[str, ...]:
    """Said first where no name fits."""
    if prediction.fit is None or not prediction.none_of_these:
        return ()
    return (f"None of these: {prediction.fit.background} fits better than every name.",)


def _stream(name: str, prediction: Prediction) -> str:
    """What a stream is called, and how much it counts where that is known."""
    called = _STREAMS.get(name, name)
    return called if name not in prediction.weights else f"{called} (weight {prediction.weights[name]:.2f})"


def _answer(source: str, best: RankedNames) -> Answer:
    return Answer(source, best.names, best.probabilities)


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
