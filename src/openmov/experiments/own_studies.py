"""Questions of our own, which the paper does not ask.

temperatures        beta and tau_v: by hand, without labels, on held-out base classes, and the best there could be
generalised         base and novel names together: the paper's way against both paths, gated
weight_ensembles    flow and sound encoders interpolated with the weights they started from
scenes              ShapesAV-Scenes: scenes that go with classes
modalities          ShapesAV-Both: frames, flow and sound at once

The first three need only the trainings of the paper's tables; the other two have a world made for them.
"""

from collections.abc import Mapping
from dataclasses import replace

from openmov.experiments.study import (
    ADAPTER,
    CLIP,
    COOP,
    EXTRA_ONLY,
    MOV,
    MOV_CALIBRATED,
    SCORE_FUSION,
    SETTINGS,
    VIDEO_ONLY,
    Column,
    Finding,
    MethodSpec,
    Metric,
    Row,
    Study,
    Table,
)

_TRACKS = (("flow", "flow"), ("audio", "sound"))
"""Sides of the paper, and how they are called."""
_BY_HAND, _BY_CLASSES = "the paper's beta and tau_v", "beta and tau_v chosen on held-out base classes"


_GENERALISED: Mapping[Metric, str] = {
    "generalised_base": "Base",
    "generalised_novel": "Novel",
    "generalised_harmonic": "Harmonic mean",
}
_BASE_NOVEL: Mapping[Metric, str] = {"base": "Base", "novel": "Novel"}


def _both(titles: Mapping[Metric, str]) -> tuple[Column, ...]:
    """The same figures of either side."""
    return tuple(
        Column(f"{title}, {said}", track, metric) for track, said in _TRACKS for metric, title in titles.items()
    )


MATCHED = MethodSpec(answer="entropy")
"""tau_v at which the frozen video is as sure as flow or sound on validation clips of base classes."""
GRID_BEST = MethodSpec(answer="best")
"""The best beta and tau_v of the grid on the novel test clips: a bound."""

TEMPERATURES = Study(
    "temperatures",
    "Beyond the paper: temperatures without labels",
    "The paper found tau_v by hand, and says that the frozen video is then as sure as flow or sound (table 8). Can "
    "tau_v be chosen by that rule alone, without labels, and how far is that from choosing on held-out base classes?",
    (
        Table(
            _both({"novel": "Novel", SETTINGS: "beta and tau_v"}),
            (
                Row("MOV, by hand", MOV, note=_BY_HAND),
                Row("MOV, matched entropy", MATCHED, note="without labels: train --calibrate entropy"),
                Row("MOV, held-out base classes", MOV_CALIBRATED, note="labels of base classes: train --calibrate"),
                Row("The grid's best", GRID_BEST, note="read off these very clips: a bound, which chooses nothing"),
            ),
        ),
    ),
    tuple(
        Finding(f"matched entropy beats {said} ({side})", track, "novel", MATCHED, theirs)
        for track, side in _TRACKS
        for said, theirs in (
            ("the paper's tau_v", MOV),
            ("calibration on held-out base classes", MOV_CALIBRATED),
            ("the grid's best", GRID_BEST),
        )
    )
    + tuple(
        Finding(
            f"calibration on held-out base classes beats the grid's best ({side})",
            track,
            "novel",
            MOV_CALIBRATED,
            GRID_BEST,
        )
        for track, side in _TRACKS
    ),
    (
        "Matched entropy: the tau_v at which the mean entropy of D_v equals that of D_x over the base names, on "
        "validation clips. They are of base classes and not trained on, though the best epoch was chosen by them. beta "
        "stays the paper's. Several values are those of seeds 0, 1, ...",
        "The grid is that of calibration, seven betas by six tau_v; base accuracy depends on neither.",
    ),
    own=True,
)


def _gated(method: MethodSpec) -> MethodSpec:
    return replace(method, answering=("prediction.generalised=weighed",))


_SETTINGS = (("by hand", _BY_HAND, MOV), ("calibrated", _BY_CLASSES, MOV_CALIBRATED))

GENERALISED = Study(
    "generalised",
    "Beyond the paper: base and novel names together",
    "In the generalised setting the paper sends every name down the novel path. Is it better to weigh base path and "
    "novel path by how likely the clip is of a base class, an estimate that asks for no label?",
    (
        Table(
            _both(_GENERALISED),
            (
                Row("CLIP", CLIP),
                *(
                    Row(f"MOV {name}, {way}", shown, note=note)
                    for name, note, method in _SETTINGS
                    for way, shown in (("novel path", method), ("both paths", _gated(method)))
                ),
            ),
        ),
    ),
    tuple(
        Finding(
            f"both paths beat the novel path in harmonic mean, MOV {name} ({said})",
            track,
            "generalised_harmonic",
            _gated(method),
            method,
        )
        for track, said in _TRACKS
        for name, _, method in _SETTINGS
    ),
    (
        "All names are possible answers. Novel path: the paper's way (appendix C, table 9). Both paths: g times the "
        "base path over base names and 1 - g times the novel path over novel names, g being the share of "
        "softmax(cos(v_m, all names) / tau) on base names (evaluate --generalised weighed).",
    ),
    own=True,
)

WEIGHTS = (1.0, 0.8, 0.5)
"""Shares of the fine-tuned weights."""


def _interpolated(method: MethodSpec, weight: float) -> MethodSpec:
    """As trained at 1: the method of the other studies."""
    return method if weight == 1 else replace(method, answering=(f"prediction.encoder_weight={weight:g}",))


_ENSEMBLES = (
    ("MOV by hand", _BY_HAND, MOV),
    ("MOV calibrated", _BY_CLASSES, MOV_CALIBRATED),
    ("Flow or sound only", "", EXTRA_ONLY),
)

WEIGHT_ENSEMBLES = Study(
    "weight_ensembles",
    "Beyond the paper: ensembles in the space of weights",
    "Open-VCLIP keeps what CLIP knows by mixing the weights of a fine-tuned encoder with those it started from. Does "
    "that help novel classes where the encoder was fine-tuned for flow or sound?",
    (
        Table(
            _both(_BASE_NOVEL),
            tuple(
                Row(f"{name}, {weight:g} of the fine-tuned weights", _interpolated(method, weight), note=note)
                for name, note, method in _ENSEMBLES
                for weight in WEIGHTS
            ),
        ),
    ),
    tuple(
        Finding(
            f"{name}: {weight:g} of the fine-tuned weights beats all of them on novel classes ({said})",
            track,
            "novel",
            _interpolated(method, weight),
            method,
        )
        for track, said in _TRACKS
        for name, _, method in _ENSEMBLES
        for weight in WEIGHTS[1:]
    ),
    (
        "The flow or sound encoder's weights are w times the fine-tuned ones plus 1 - w times CLIP's; heads and fusion "
        "stay as trained (evaluate --encoder-weight). beta and tau_v are those of the weights as trained.",
    ),
    own=True,
)


FINE_TUNED = MethodSpec(("finetune_video",))
"""CLIP's whole vision encoder, trained on the frames of base classes."""
_BEFORE = replace(FINE_TUNED, weights="untrained")
SWAPPED = "swapped"
"""The test clips once more, in scenes of other classes."""

_SAID = {"scenes_flow": "flow", "scenes_audio": "sound"}


def _scenes(track: str) -> Table:
    said = _SAID[track]
    rows = (
        Row("Frozen CLIP", CLIP),
        Row(
            "Frames, before fine-tuning",
            _BEFORE,
            note="untrained; frozen CLIP, read through the encoder that is trained",
        ),
        Row("Frames, fine-tuned", FINE_TUNED, note="the whole encoder of figure 1"),
        Row("CoOp", COOP),
        Row("CLIP-Adapter", ADAPTER),
        Row("Video only", VIDEO_ONLY, note="frozen encoder, trained head"),
        Row(f"{said.capitalize()} only", EXTRA_ONLY),
        Row("Score fusion", SCORE_FUSION, note=f"video only and {said} only"),
        Row("MOV", MOV),
        Row("MOV, calibrated", MOV_CALIBRATED, note=_BY_CLASSES),
    )
    columns = (
        Column("Base", track, "base"),
        Column("Novel", track, "novel"),
        Column("Base, scenes swapped", track, "base", target=SWAPPED),
        Column("Novel, scenes swapped", track, "novel", target=SWAPPED),
        Column("Base, lost by the swap", track, "base", target=SWAPPED, lost=True),
        Column("Novel, lost by the swap", track, "novel", target=SWAPPED, lost=True),
    )
    return Table(columns, rows, "", f"Video + {said}")


def _about_scenes(track: str) -> tuple[Finding, ...]:
    said = _SAID[track]

    def lost(says: str, ours: MethodSpec, theirs: MethodSpec) -> Finding:
        return Finding(f"{says} ({said})", track, "base", ours, theirs, target=SWAPPED, lost=True)

    return (
        Finding(f"fine-tuning on frames raises base accuracy ({said})", track, "base", FINE_TUNED, _BEFORE),
        Finding(f"fine-tuning on frames lowers novel accuracy ({said})", track, "novel", _BEFORE, FINE_TUNED),
        Finding(
            f"scenes swapped, frozen CLIP beats fine-tuned frames on novel classes ({said})",
            track,
            "novel",
            CLIP,
            FINE_TUNED,
            target=SWAPPED,
        ),
        lost("frozen CLIP loses less than fine-tuned frames, base", CLIP, FINE_TUNED),
        lost("frozen CLIP loses less than CoOp, base", CLIP, COOP),
        lost("frozen CLIP loses less than CLIP-Adapter, base", CLIP, ADAPTER),
        lost("frozen CLIP loses less than the trained video head, base", CLIP, VIDEO_ONLY),
        lost("frozen CLIP loses less than MOV, base", CLIP, MOV),
        lost(f"{said} alone loses less than fine-tuned frames, base", EXTRA_ONLY, FINE_TUNED),
        lost("MOV loses less than fine-tuned frames, base", MOV, FINE_TUNED),
        lost("MOV loses less than the trained video head, base", MOV, VIDEO_ONLY),
        Finding(
            f"scenes swapped, MOV beats fine-tuned frames on base classes ({said})",
            track,
            "base",
            MOV,
            FINE_TUNED,
            target=SWAPPED,
        ),
        Finding(
            f"scenes swapped, calibrated MOV beats fine-tuned frames on novel classes ({said})",
            track,
            "novel",
            MOV_CALIBRATED,
            FINE_TUNED,
            target=SWAPPED,
        ),
    )


SCENES = Study(
    "scenes",
    "Beyond the paper: scenes that go with classes",
    "In ShapesAV-Scenes four clips of five of a class lie in a kind of place of its own, in training and ordinary test "
    "alike. Does fine-tuning on frames raise base and lower novel accuracy there, which methods lean on the place, and "
    "does flow or sound protect from it?",
    tuple(map(_scenes, _SAID)),
    tuple(finding for track in _SAID for finding in _about_scenes(track)),
    (
        "Swapped: the very clips of the ordinary test, each in the place of another class of its role (base or novel). "
        "What is lost is accuracy on the ordinary test less that on the swapped one, on the same clips.",
        "Places of base classes follow an order that a small network learns: a tint goes with the motion or sound, a "
        "grating with the shape. Those of novel classes are drawn at random and never seen in training: they say "
        "nothing of the name, and what they change is changed by looking at places at all.",
    ),
    max_seeds=2,
    own=True,
    needs="places that go with classes, and the same clips in other places",
)


def _mov(*modalities: str, answer: str = "paper") -> MethodSpec:
    return MethodSpec(("mov",), answer, changes=(f"model.modalities=[{','.join(modalities)}]",))


_ALL, _WITH_FLOW, _WITH_SOUND = ("video", "flow", "audio"), ("video", "flow"), ("video", "audio")
THREE, THREE_CALIBRATED = _mov(*_ALL), _mov(*_ALL, answer="calibrated")
"""MOV of frames, flow and sound."""
_ALONE = {
    said: MethodSpec((f"{one}_only",)) for said, one in (("Video", "video"), ("Flow", "flow"), ("Sound", "audio"))
}
FLOW_SOUND = MethodSpec(("flow_only", "audio_only"))
"""MOV needs frames to attend to: without them, the mean of two answers."""
FUSED_SCORES = MethodSpec(("video_only", "flow_only", "audio_only"))

_PAIRS = (("video + flow", _WITH_FLOW), ("video + sound", _WITH_SOUND))
_ROWS = (
    Row("Frozen CLIP", replace(THREE, answer="frozen")),
    *(Row(f"{said} only", method) for said, method in _ALONE.items()),
    *(
        row
        for said, pair in (*_PAIRS, ("video + flow + sound", _ALL))
        for row in (
            Row(f"MOV, {said}", _mov(*pair)),
            Row(f"MOV, {said}, calibrated", _mov(*pair, answer="calibrated"), note=_BY_CLASSES),
        )
    ),
    Row("Score fusion, flow + sound", FLOW_SOUND, note="stands for this pair: MOV is not made without frames"),
    Row("Score fusion, video + flow + sound", FUSED_SCORES, note="mean of the three alone"),
)


def _three_beat(metric: str, three: MethodSpec, said: str, answer: str) -> tuple[Finding, ...]:
    pairs = [(name, _mov(*pair, answer=answer)) for name, pair in _PAIRS]
    return tuple(
        Finding(f"{said} beat {name}, {role} classes", "both", role, three, theirs)
        for role in ("base", "novel")
        if role == metric
        for name, theirs in (*pairs, ("flow + sound (score fusion)", FLOW_SOUND))
    )


MODALITIES = Study(
    "modalities",
    "Beyond the paper: three modalities",
    "ShapesAV-Both asks for shape, motion and sound at once: 512 classes, 320 of them base, few clips of each. What do "
    "frames, flow and sound together reach beside each pair of them?",
    (
        Table(
            (
                Column("Base", "both", "base"),
                Column("Novel", "both", "novel"),
                Column("Harmonic mean", "both", "harmonic"),
            ),
            _ROWS,
            "",
        ),
    ),
    (
        *_three_beat("base", THREE, "three modalities", "paper"),
        *_three_beat("novel", THREE, "three modalities", "paper"),
        *_three_beat("novel", THREE_CALIBRATED, "three modalities, calibrated,", "calibrated"),
        Finding("cross-attention beats score fusion of the three, base classes", "both", "base", THREE, FUSED_SCORES),
        Finding(
            "cross-attention, calibrated, beats score fusion of the three, novel classes",
            "both",
            "novel",
            THREE_CALIBRATED,
            FUSED_SCORES,
        ),
        Finding("video adds to flow and sound by scores, base classes", "both", "base", FUSED_SCORES, FLOW_SOUND),
        Finding("video adds to flow and sound by scores, novel classes", "both", "novel", FUSED_SCORES, FLOW_SOUND),
    ),
    (
        "A name has three words. Who knows shape and motion but not the sound can be right in one of five cases among "
        "the 320 base names (20.0 %) and in one of three among the 192 novel ones (32.8 %); who knows shape and sound "
        "but not the motion in as many (20.0 and 33.3 %). Flow shows outlines too, so that flow and sound together are "
        "not bounded like that.",
        "Three training clips of each class (one or two with --quick). MOV's fusion and its novel path start from the "
        "frames, so there is no MOV of flow and sound: the mean of the answers of flow alone and sound alone stands "
        "for that pair, and the same of all three beside it.",
    ),
    max_seeds=1,
    own=True,
    needs="clips whose class takes frames, motion and sound to tell",
)
