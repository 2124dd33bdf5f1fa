"""Questions beyond the paper, each in a world made for it: scenes that go with classes, three modalities at once."""

from dataclasses import replace

from openmov.studies.entrants import (
    ADAPTER,
    CLIP,
    COOP,
    EXTRA_ONLY,
    MOV,
    MOV_CALIBRATED,
    SCORE_FUSION,
    VIDEO_ONLY,
)
from openmov.studies.study import Column, Entrant, Finding, Row, Study, Table

_CALIBRATED = "beta and tau_v chosen on held-out base classes"
FINE_TUNED = Entrant(("finetune_video",))
"""CLIP's whole vision encoder, trained on the frames of base classes."""
_BEFORE = replace(FINE_TUNED, weights="untrained")
SWAPPED = "swapped"
"""The test clips once more, in scenes of other classes."""

_SAID = {"scenes_flow": "flow", "scenes_audio": "sound"}


def _scenes(arm: str) -> Table:
    said = _SAID[arm]
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
        Row("MOV, calibrated", MOV_CALIBRATED, note=_CALIBRATED),
    )
    columns = (
        Column("Base", arm, "base"),
        Column("Novel", arm, "novel"),
        Column("Base, scenes swapped", arm, "base", target=SWAPPED),
        Column("Novel, scenes swapped", arm, "novel", target=SWAPPED),
        Column("Base, lost by the swap", arm, "base", target=SWAPPED, lost=True),
        Column("Novel, lost by the swap", arm, "novel", target=SWAPPED, lost=True),
    )
    return Table(columns, rows, "", f"Video + {said}")


def _about_scenes(arm: str) -> tuple[Finding, ...]:
    said = _SAID[arm]

    def lost(says: str, ours: Entrant, theirs: Entrant) -> Finding:
        return Finding(f"{says} ({said})", arm, "base", ours, theirs, target=SWAPPED, lost=True)

    return (
        Finding(f"fine-tuning on frames raises base accuracy ({said})", arm, "base", FINE_TUNED, _BEFORE),
        Finding(f"fine-tuning on frames lowers novel accuracy ({said})", arm, "novel", _BEFORE, FINE_TUNED),
        Finding(
            f"scenes swapped, frozen CLIP beats fine-tuned frames on novel classes ({said})",
            arm,
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
            arm,
            "base",
            MOV,
            FINE_TUNED,
            target=SWAPPED,
        ),
        Finding(
            f"scenes swapped, calibrated MOV beats fine-tuned frames on novel classes ({said})",
            arm,
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
    tuple(finding for arm in _SAID for finding in _about_scenes(arm)),
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


def _mov(*modalities: str, answer: str = "paper") -> Entrant:
    return Entrant(("mov",), answer, changes=(f"model.modalities=[{','.join(modalities)}]",))


_ALL, _WITH_FLOW, _WITH_SOUND = ("video", "flow", "audio"), ("video", "flow"), ("video", "audio")
THREE, THREE_CALIBRATED = _mov(*_ALL), _mov(*_ALL, answer="calibrated")
"""MOV of frames, flow and sound."""
_ALONE = {said: Entrant((f"{one}_only",)) for said, one in (("Video", "video"), ("Flow", "flow"), ("Sound", "audio"))}
FLOW_SOUND = Entrant(("flow_only", "audio_only"))
"""MOV needs frames to attend to: without them, the mean of two answers."""
FUSED_SCORES = Entrant(("video_only", "flow_only", "audio_only"))

_PAIRS = (("video + flow", _WITH_FLOW), ("video + sound", _WITH_SOUND))
_ROWS = (
    Row("Frozen CLIP", replace(THREE, answer="frozen")),
    *(Row(f"{said} only", entrant) for said, entrant in _ALONE.items()),
    *(
        row
        for said, pair in (*_PAIRS, ("video + flow + sound", _ALL))
        for row in (
            Row(f"MOV, {said}", _mov(*pair)),
            Row(f"MOV, {said}, calibrated", _mov(*pair, answer="calibrated"), note=_CALIBRATED),
        )
    ),
    Row("Score fusion, flow + sound", FLOW_SOUND, note="stands for this pair: MOV is not made without frames"),
    Row("Score fusion, video + flow + sound", FUSED_SCORES, note="mean of the three alone"),
)


def _three_beat(figure: str, three: Entrant, said: str, answer: str) -> tuple[Finding, ...]:
    pairs = [(name, _mov(*pair, answer=answer)) for name, pair in _PAIRS]
    return tuple(
        Finding(f"{said} beat {name}, {role} classes", "both", role, three, theirs)
        for role in ("base", "novel")
        if role == figure
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
