"""Questions of our own, which the paper does not ask, of the trainings that its tables need anyway.

temperatures        beta and tau_v: by hand, without labels, on held-out base classes, and the best there could be
generalised         base and novel names together: the paper's way against both paths, weighed
weight_ensembles    flow and sound encoders drawn back towards the weights they started from
"""

from collections.abc import Mapping
from dataclasses import replace

from openmov.studies.entrants import CLIP, EXTRA_ONLY, MOV, MOV_CALIBRATED
from openmov.studies.study import SETTINGS, Column, Entrant, Figure, Finding, Row, Study, Table

_ARMS = (("flow", "flow"), ("audio", "sound"))
"""Sides of the paper, and how they are called."""
_BY_HAND, _BY_CLASSES = "the paper's beta and tau_v", "beta and tau_v chosen on held-out base classes"


_GENERALISED: Mapping[Figure, str] = {
    "generalised_base": "Base",
    "generalised_novel": "Novel",
    "generalised_harmonic": "Harmonic mean",
}
_BASE_NOVEL: Mapping[Figure, str] = {"base": "Base", "novel": "Novel"}


def _both(titles: Mapping[Figure, str]) -> tuple[Column, ...]:
    """The same figures of either side."""
    return tuple(Column(f"{title}, {said}", arm, figure) for arm, said in _ARMS for figure, title in titles.items())


MATCHED = Entrant(answer="entropy")
"""tau_v at which the frozen video is as sure as flow or sound on validation clips of base classes."""
GRID_BEST = Entrant(answer="best")
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
        Finding(f"matched entropy beats {said} ({side})", arm, "novel", MATCHED, theirs)
        for arm, side in _ARMS
        for said, theirs in (
            ("the paper's tau_v", MOV),
            ("calibration on held-out base classes", MOV_CALIBRATED),
            ("the grid's best", GRID_BEST),
        )
    )
    + tuple(
        Finding(
            f"calibration on held-out base classes beats the grid's best ({side})",
            arm,
            "novel",
            MOV_CALIBRATED,
            GRID_BEST,
        )
        for arm, side in _ARMS
    ),
    (
        "Matched entropy: the tau_v at which the mean entropy of D_v equals that of D_x over the base names, on "
        "validation clips. They are of base classes and not trained on, though the best epoch was chosen by them. beta "
        "stays the paper's. Several values are those of seeds 0, 1, ...",
        "The grid is that of calibration, seven betas by six tau_v; base accuracy depends on neither.",
    ),
    own=True,
)


def _weighed(entrant: Entrant) -> Entrant:
    return replace(entrant, answering=("prediction.generalised=weighed",))


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
                    for name, note, entrant in _SETTINGS
                    for way, shown in (("novel path", entrant), ("both paths", _weighed(entrant)))
                ),
            ),
        ),
    ),
    tuple(
        Finding(
            f"both paths beat the novel path in harmonic mean, MOV {name} ({said})",
            arm,
            "generalised_harmonic",
            _weighed(entrant),
            entrant,
        )
        for arm, said in _ARMS
        for name, _, entrant in _SETTINGS
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


def _drawn_back(entrant: Entrant, weight: float) -> Entrant:
    """As trained at 1: the entrant of the other studies."""
    return entrant if weight == 1 else replace(entrant, answering=(f"prediction.encoder_weight={weight:g}",))


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
                Row(f"{name}, {weight:g} of the fine-tuned weights", _drawn_back(entrant, weight), note=note)
                for name, note, entrant in _ENSEMBLES
                for weight in WEIGHTS
            ),
        ),
    ),
    tuple(
        Finding(
            f"{name}: {weight:g} of the fine-tuned weights beats all of them on novel classes ({said})",
            arm,
            "novel",
            _drawn_back(entrant, weight),
            entrant,
        )
        for arm, said in _ARMS
        for name, _, entrant in _ENSEMBLES
        for weight in WEIGHTS[1:]
    ),
    (
        "The flow or sound encoder's weights are w times the fine-tuned ones plus 1 - w times CLIP's; heads and fusion "
        "stay as trained (evaluate --encoder-weight). beta and tau_v are those of the weights as trained.",
    ),
    own=True,
)
