"""The paper's tables 1-9 and figures 1 and 3, as studies.

Tables 1-4 set MOV beside other methods, on the data it is trained for, on a larger backbone, on other data; tables 5,
6, 8 and 9 ask which part of the method does what; table 7 is about sound alone.
"""

from collections.abc import Mapping
from dataclasses import replace

from openmov.experiments.study import (
    ADAPTER,
    CLIP,
    COOP,
    EXTRA_ONLY,
    LARGER_CLIP,
    LARGER_MOV,
    MOV,
    MOV_CALIBRATED,
    SCORE_FUSION,
    SYMMETRIC,
    VIDEO_ONLY,
    Changes,
    Column,
    Curves,
    Finding,
    MethodSpec,
    Metric,
    Panel,
    Row,
    Study,
    Table,
)

_TITLES: Mapping[Metric, str] = {"base": "Base", "novel": "Novel", "harmonic": "Harmonic mean"}
_CALIBRATED = "beta and tau_v chosen on held-out base classes; no such row in the paper"


def _base_novel(track: str) -> tuple[Column, ...]:
    return tuple(Column(title, track, metric, metric) for metric, title in _TITLES.items())


def _methods(*others: str) -> tuple[Row, ...]:
    """VATT as published, frozen CLIP, other methods, MOV."""
    names = {"coop": "CoOp", "clip_adapter": "CLIP-Adapter"}
    return (
        Row("VATT", None, (("method", "VATT"),)),
        Row("CLIP", CLIP, (("method", "CLIP"),)),
        *(Row(names[other], MethodSpec((other,)), (("method", names[other]),)) for other in others),
        Row("MOV", MOV, (("method", "MOV"),)),
        Row("MOV, calibrated", MOV_CALIBRATED, note=_CALIBRATED),
    )


OTHERS = ("coop", "clip_adapter")
"""Methods of tables 1 and 2 that are trained on base classes by other people's ideas."""

TABLE1 = Study(
    "table1",
    "Table 1: base and novel classes, video + flow (Kinetics-700 in the paper)",
    "Does fusing video with flow raise accuracy on base classes and keep, or raise, that on novel ones?",
    (Table(_base_novel("flow"), _methods(*OTHERS), "table1_kinetics700"),),
    (
        Finding("MOV beats frozen CLIP on base classes", "flow", "base", MOV, CLIP, 24.1),
        Finding("MOV beats frozen CLIP on novel classes", "flow", "novel", MOV, CLIP, 1.4),
        Finding("CoOp raises base accuracy", "flow", "base", COOP, CLIP, 7.7),
        Finding("CoOp lowers novel accuracy", "flow", "novel", CLIP, COOP, 11.0),
        Finding("CLIP-Adapter raises base accuracy", "flow", "base", ADAPTER, CLIP, 15.3),
        Finding("CLIP-Adapter lowers novel accuracy", "flow", "novel", CLIP, ADAPTER, 20.5),
        Finding("calibrated MOV beats frozen CLIP on novel classes", "flow", "novel", MOV_CALIBRATED, CLIP),
    ),
)

TABLE2 = Study(
    "table2",
    "Table 2: base and novel classes, video + sound (VGGSound in the paper)",
    "Does fusing video with sound raise accuracy on base classes and keep, or raise, that on novel ones?",
    (Table(_base_novel("audio"), _methods(*OTHERS), "table2_vggsound"),),
    (
        Finding("MOV beats frozen CLIP on base classes", "audio", "base", MOV, CLIP, 19.9),
        Finding("MOV beats frozen CLIP on novel classes", "audio", "novel", MOV, CLIP, 2.7),
        Finding("CoOp lowers novel accuracy", "audio", "novel", CLIP, COOP, 6.8),
        Finding("CLIP-Adapter lowers novel accuracy", "audio", "novel", CLIP, ADAPTER, 21.3),
        Finding("calibrated MOV beats frozen CLIP on novel classes", "audio", "novel", MOV_CALIBRATED, CLIP),
    ),
)

_SIZES = (("ViT-B/16", "the usual backbone"), ("ViT-L/14", "the larger backbone"))

TABLE3 = Study(
    "table3",
    "Table 3: a larger backbone",
    "Does MOV's advantage over the frozen backbone remain when the backbone grows?",
    (
        Table(
            (
                Column("Base, with flow", "flow", "base", "k700_base"),
                Column("Novel, with flow", "flow", "novel", "k700_novel"),
                Column("Base, with sound", "audio", "base", "vggsound_base"),
                Column("Novel, with sound", "audio", "novel", "vggsound_novel"),
            ),
            tuple(
                Row(name, spec, (("method", name), ("backbone", size)), note=said)
                for name, specs in (("CLIP", (CLIP, LARGER_CLIP)), ("MOV", (MOV, LARGER_MOV)))
                for (size, said), spec in zip(_SIZES, specs, strict=True)
            ),
            "table3_backbone_scaling",
        ),
    ),
    (
        Finding("the larger backbone raises MOV's base accuracy (flow)", "flow", "base", LARGER_MOV, MOV, 4.8),
        Finding("the larger backbone raises MOV's novel accuracy (flow)", "flow", "novel", LARGER_MOV, MOV, 8.8),
        Finding("the larger backbone raises MOV's base accuracy (sound)", "audio", "base", LARGER_MOV, MOV, 3.5),
        Finding("MOV beats the larger frozen backbone on base classes", "flow", "base", LARGER_MOV, LARGER_CLIP, 20.5),
    ),
)

_ON_OTHERS: Mapping[Metric, tuple[str, str]] = {
    "half_mean": ("half the classes, mean", "_half_mean"),
    "half_std": ("deviation over halves", "_half_std"),
    "full": ("all classes", ""),
}
"""What is shown, and how the published column's name ends."""


def _crossing(place: str, name: str, paper: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}: {said}", "flow", metric, paper + end, target=place)
        for metric, (said, end) in _ON_OTHERS.items()
    )


_QUOTED = (
    ("GA", "S1M"),
    ("TARN", "S1M"),
    ("CWEGAN", "IN, K400"),
    ("TS-GCN", "IN-shuffle"),
    ("PS-GNN", "IN-shuffle"),
    ("E2E", "K700"),
    ("DASZL", "IN, K400"),
    ("ER", "IN, K400"),
    ("ResT", "K700"),
    ("MIL-NCE", "HT100M"),
    ("VideoCLIP", "HT100M"),
    ("VATT", "HT100M"),
)
"""Rows the paper quotes, with what they were trained on."""


def _table4(*others: str) -> Table:
    names = {"actionclip": "ActionCLIP", "xclip": "X-CLIP", "vificlip": "ViFi-CLIP"}
    published = {"actionclip", "xclip"}
    usual, larger = ("encoders", "ViT-B/16 + TSF"), ("encoders", "ViT-L/14 + TSF")
    rows = (
        *(Row(method, None, (("method", method),), note=f"trained on {data}") for method, data in _QUOTED),
        Row("CLIP", CLIP, (("method", "CLIP"),)),
        *(
            Row(
                names[one], MethodSpec((one,)), (("method", names[one]),) if one in published else None, note=_OURS[one]
            )
            for one in others
        ),
        Row("MOV", MOV, (("method", "MOV"), usual)),
        Row("MOV", LARGER_MOV, (("method", "MOV"), larger), note="the larger backbone"),
        Row("MOV, calibrated", MOV_CALIBRATED, note=_CALIBRATED),
    )
    columns = (*_crossing("first", "UCF101", "ucf"), *_crossing("second", "HMDB51", "hmdb"))
    return Table(columns, rows, "table4_cross_dataset")


_OURS = {"actionclip": "", "xclip": "", "vificlip": "no such row in the paper"}
CROSSING_OTHERS = ("actionclip", "xclip", "vificlip")
"""Methods of table 4 that are trained here, on the same base classes as MOV."""

TABLE4 = Study(
    "table4",
    "Table 4: other data sets, nothing trained any further",
    "Trained on one data set's base classes, what is answered on another data set, whose names may be anything?",
    (_table4(*CROSSING_OTHERS),),
    notes=(
        "All names of the other data set go down the novel path. Ten random halves of its classes by seeds 0-9; the "
        "deviation is that over halves, averaged over training seeds.",
    ),
)


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
    method = MethodSpec(EXTRA_ONLY.methods, changes=(f"model.trainable_layers={{layers[{count}]}}",))
    return Row(f"last {count} of 12", method, (("layers", count),))


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
            track,
            "base",
            EXTRA_ONLY,
            MethodSpec(EXTRA_ONLY.methods, changes=("model.trainable_layers={layers[3]}",)),
            paper,
        )
        for track, said, paper in (("flow", "flow", 15.9), ("audio", "sound", 11.7))
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
    method = MethodSpec(answering=(f"prediction.beta={beta}",))
    return Row(title, method, (("tau_v", 0.01),), column=column)


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
                    Row(f"Both, tau_v {tau:g}", MethodSpec(answering=(f"prediction.tau_v={tau}",)), (("tau_v", tau),))
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


_NAMED = {
    "flow": ("yawning", "long jump", "look in mirror", "looking in mirror", "geocaching"),
    "audio": ("people nose blowing", "people laughing", "sloshing water", "wind noise"),
}

_KEPT = ("training.keep_epochs=true",)
_RGB, _EXTRA = (MethodSpec((method,), changes=_KEPT) for method in ("finetune_video", "finetune_{extra}"))
_BEFORE = {method: replace(method, weights="untrained") for method in (_RGB, _EXTRA)}

FIGURE1 = Study(
    "figure1",
    "Figure 1: fine-tuning CLIP's vision encoder with one modality",
    "The whole encoder is trained on base classes with frames, flow or sound alone; what happens to novel classes?",
    (
        Curves(
            (
                Panel("Frames (Kinetics-700)", "flow", _RGB, "base up, novel down"),
                Panel("Frames (VGGSound)", "audio", _RGB, "base up, novel down"),
                Panel("Flow (Kinetics-700)", "flow", _EXTRA, "base up, novel up"),
                Panel("Sound (VGGSound)", "audio", _EXTRA, "base up, novel up"),
            ),
        ),
    ),
    (
        Finding("frames: fine-tuning raises base accuracy", "flow", "base", _RGB, _BEFORE[_RGB]),
        Finding("frames: fine-tuning lowers novel accuracy", "flow", "novel", _BEFORE[_RGB], _RGB),
        Finding("frames beside sound: fine-tuning lowers novel accuracy", "audio", "novel", _BEFORE[_RGB], _RGB),
        Finding("flow: fine-tuning raises base accuracy", "flow", "base", _EXTRA, _BEFORE[_EXTRA]),
        Finding("flow: fine-tuning raises novel accuracy", "flow", "novel", _EXTRA, _BEFORE[_EXTRA]),
        Finding("sound: fine-tuning raises base accuracy", "audio", "base", _EXTRA, _BEFORE[_EXTRA]),
        Finding("sound: fine-tuning raises novel accuracy", "audio", "novel", _EXTRA, _BEFORE[_EXTRA]),
    ),
    (
        "Novel accuracy is measured afterwards from the weights saved each epoch; the findings compare the epoch that "
        "was best on base validation clips with the encoder before training, and not the highest of the table, which "
        "is read off test clips.",
        "One training seed, whatever the others have: every epoch of four whole encoders is measured.",
    ),
    max_seeds=1,
)

FIGURE3 = Study(
    "figure3",
    "Figure 3: classes that changed",
    "Which classes gain from the other modality, and which lose? Accuracy of MOV minus that of frozen CLIP.",
    tuple(
        Changes(f"{row}, with {said}", track, ours, CLIP, _NAMED[track])
        for track, said in (("flow", "flow"), ("audio", "sound"))
        for row, ours in (("MOV", MOV), ("MOV, calibrated", MOV_CALIBRATED))
    ),
    notes=("Accuracy of a class is its mean over training seeds.",),
)

SOUND_ALONE_OTHERS = ("resnet50_audio", "slowfast_audio")
"""Networks of table 7 that are trained here, from scratch."""


def _table7(*others: str) -> Table:
    names = {"resnet50_audio": "ResNet-50 on spectrograms", "slowfast_audio": "two-path network on spectrograms"}
    quoted = ("Acoustic scene classifier (Wang et al. 2020)", "Best baseline of Chen et al. 2020", "Audio-SlowFast")
    scratch = "trained from scratch here; the paper's rivals were pre-trained for sound"
    return Table(
        (
            Column("All classes, sound only", "audio", "base", "accuracy"),
            Column("The sound right, whatever the shape", "audio", "base", part=True),
        ),
        (
            *(Row(name, None, (("method", name),), note="pre-trained for sound") for name in quoted),
            *(Row(names[other], MethodSpec((other,), classes="all"), note=scratch) for other in others),
            Row("MOV, sound only", MethodSpec(("audio_only",), classes="all"), (("method", "MOV"),)),
        ),
        "table7_audio_only_vggsound",
    )


TABLE7 = Study(
    "table7",
    "Table 7: sound alone, all classes known",
    "How far does CLIP's image encoder, fine-tuned on spectrograms, come beside networks made for sound?",
    (_table7(*SOUND_ALONE_OTHERS),),
    notes=(
        "Every class is trained on, as in the paper: nothing here is open-vocabulary, and no class is novel.",
        "One training seed, whatever the others have: a ResNet-50 from scratch takes five times as long as MOV.",
    ),
    max_seeds=1,
    base_only=False,
)
