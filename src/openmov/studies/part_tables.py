"""Tables 5-9: which part of the method does what."""

from openmov.studies.entrants import CLIP, EXTRA_ONLY, MOV, MOV_CALIBRATED, SCORE_FUSION, SYMMETRIC, VIDEO_ONLY
from openmov.studies.study import Column, Entrant, Finding, Row, Study, Table

_BASE_OF_BOTH = (
    Column("Base, with flow", "flow", "base", "k700_base"),
    Column("Base, with sound", "audio", "base", "vggsound_base"),
)
_NOVEL_OF_BOTH = (Column("Novel, with flow", "flow", "novel"), Column("Novel, with sound", "audio", "novel"))

FUSION_ROWS = (
    Row("Flow or sound only", EXTRA_ONLY, (("fusion", "flow or audio only"),)),
    Row("Video only", VIDEO_ONLY, (("fusion", "video only"),), note="frozen encoder, trained head"),
    Row("Score fusion", SCORE_FUSION, (("fusion", "score fusion"),), note="mean of the two above"),
    Row("Cross-attention (MOV)", MOV, (("fusion", "cross-attention"),)),
    Row("Symmetric cross-attention", SYMMETRIC, note="both attend to trained features; no such row in the paper"),
)

TABLE5 = Study(
    "table5",
    "Table 5: how the modalities come together",
    "What does each modality reach alone, and what do score fusion and cross-attention add?",
    (Table((*_BASE_OF_BOTH, *_NOVEL_OF_BOTH), FUSION_ROWS, "table5_fusion"),),
    (
        Finding("cross-attention beats score fusion (flow)", "flow", "base", MOV, SCORE_FUSION, 2.6),
        Finding("cross-attention beats score fusion (sound)", "audio", "base", MOV, SCORE_FUSION, 0.7),
        Finding("score fusion beats video alone (sound)", "audio", "base", SCORE_FUSION, VIDEO_ONLY, 6.5),
        Finding("video alone beats flow alone", "flow", "base", VIDEO_ONLY, EXTRA_ONLY, 18.5),
        Finding("video alone beats sound alone", "audio", "base", VIDEO_ONLY, EXTRA_ONLY, 1.7),
        Finding("asymmetry beats symmetric fusion on novel classes (flow)", "flow", "novel", MOV, SYMMETRIC),
        Finding("asymmetry beats symmetric fusion on novel classes (sound)", "audio", "novel", MOV, SYMMETRIC),
    ),
)


def _last_layers(count: int) -> Row:
    """The last `count` of 12 layers, or the same share of a backbone with fewer."""
    if count == 12:
        return Row("all 12", EXTRA_ONLY, (("layers", 12),))
    entrant = Entrant(EXTRA_ONLY.methods, changes=(f"model.trainable_layers={{layers[{count}]}}",))
    return Row(f"last {count} of 12", entrant, (("layers", count),))


TABLE6 = Study(
    "table6",
    "Table 6: how many layers of the flow or sound encoder train",
    "Is it enough to fine-tune the last layers of CLIP's encoder for another modality?",
    (
        Table(
            (
                Column("Base, flow only", "flow", "base", "k700_flow_base"),
                Column("Base, sound only", "audio", "base", "vggsound_audio_base"),
                Column("Novel, flow only", "flow", "novel"),
                Column("Novel, sound only", "audio", "novel"),
                Column("Base, the motion right", "flow", "base", part=True),
                Column("Base, the sound right", "audio", "base", part=True),
            ),
            tuple(map(_last_layers, (1, 3, 6, 9, 12))),
            "table6_trainable_layers",
        ),
    ),
    tuple(
        Finding(
            f"training all layers beats the last quarter ({said} only)",
            arm,
            "base",
            EXTRA_ONLY,
            Entrant(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[3]}",)),
            paper,
        )
        for arm, said, paper in (("flow", "flow", 15.9), ("audio", "sound", 11.7))
    ),
    ("A backbone with fewer layers trains the same share of them: of four, 1, 2, 3 and 4; it has no twelfth.",),
)

TAUS_V = (0.01, 0.003, 0.001, 0.0003, 0.0001)


_TABLE8_COLUMNS = (
    Column("Novel, with flow", "flow", "novel", "final", (("dataset", "K700"),)),
    Column("Novel, with sound", "audio", "novel", "final", (("dataset", "VGGSound"),)),
)


def _alone(title: str, beta: int, column: str) -> Row:
    """One source of equation 12 without the other: its accuracy does not depend on a temperature."""
    entrant = Entrant(answering=(f"prediction.beta={beta}",))
    return Row(title, entrant, (("tau_v", 0.01),), column=column)


TABLE8 = Study(
    "table8",
    "Table 8: the temperature of the frozen video",
    "How sharp must the frozen video's answer be, before it is mixed with that of flow or sound?",
    (
        Table(
            _TABLE8_COLUMNS,
            (
                _alone("Frozen video alone", 0, "frozen_video_acc"),
                _alone("Flow or sound alone (x_m)", 1, "extra_modality_acc"),
                *(
                    Row(f"Both, tau_v {tau:g}", Entrant(answering=(f"prediction.tau_v={tau}",)), (("tau_v", tau),))
                    for tau in TAUS_V
                ),
                Row("Both, calibrated", MOV_CALIBRATED, note="on held-out base classes; no such row in the paper"),
            ),
            "table8_temperature",
        ),
    ),
    notes=(
        "The grid is read off novel test clips, as in the paper: it shows what the temperature does, and chooses "
        "nothing. Calibration saw base classes alone.",
    ),
)

TABLE9 = Study(
    "table9",
    "Table 9: all classes as possible answers",
    "What is lost when base names compete for novel clips? All names go down the novel path.",
    (
        Table(
            (
                Column("Novel clips, novel names", "flow", "novel", "original_300"),
                Column("Novel clips, all names", "flow", "generalised_novel", "generalised_700"),
                Column("Base clips, all names", "flow", "generalised_base"),
                Column("Harmonic mean, all names", "flow", "generalised_harmonic"),
            ),
            (
                Row("CLIP", CLIP, (("method", "CLIP"),)),
                Row("MOV", MOV, (("method", "MOV"),)),
                Row("MOV, calibrated", MOV_CALIBRATED, note="on held-out base classes; no such row in the paper"),
            ),
            "table9_generalised_k700_novel",
        ),
    ),
    (
        Finding("MOV beats CLIP on novel clips among all names", "flow", "generalised_novel", MOV, CLIP, 0.7),
        Finding(
            "calibrated MOV beats CLIP on novel clips among all names",
            "flow",
            "generalised_novel",
            MOV_CALIBRATED,
            CLIP,
        ),
    ),
)
