"""The paper's figures 1 and 3: accuracy while fine-tuning, and which classes change; and table 7, sound alone."""

from dataclasses import replace

from openmov.studies.entrants import CLIP, MOV, MOV_CALIBRATED
from openmov.studies.study import Changes, Column, Curves, Entrant, Finding, Panel, Row, Study, Table

_NAMED = {
    "flow": ("yawning", "long jump", "look in mirror", "looking in mirror", "geocaching"),
    "audio": ("people nose blowing", "people laughing", "sloshing water", "wind noise"),
}

_KEPT = ("training.keep_epochs=true",)
_RGB, _EXTRA = (Entrant((method,), changes=_KEPT) for method in ("finetune_video", "finetune_{extra}"))
_BEFORE = {entrant: replace(entrant, weights="untrained") for entrant in (_RGB, _EXTRA)}

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
        Changes(f"{row}, with {said}", arm, ours, CLIP, _NAMED[arm])
        for arm, said in (("flow", "flow"), ("audio", "sound"))
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
            *(Row(names[other], Entrant((other,), classes="all"), note=scratch) for other in others),
            Row("MOV, sound only", Entrant(("audio_only",), classes="all"), (("method", "MOV"),)),
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
