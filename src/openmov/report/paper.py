"""The figures the paper published, as percentages, for the report to stand beside ours.

They were measured on Kinetics-700 and VGGSound with CLIP ViT-B/16: the reference for the pattern, never for the number.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Extra = Literal["flow", "audio"]
"""The modality beside the video: tables on flow are about Kinetics-700, tables on sound about VGGSound."""

_DATASET = {"flow": "Kinetics-700", "audio": "VGGSound"}
_RESULTS = {"flow": "table1_kinetics700", "audio": "table2_vggsound"}
_FUSION_COLUMN = {"flow": 1, "audio": 2}
_SWEEP_NAME = {"flow": "K700", "audio": "VGGSound"}


@dataclass(frozen=True)
class PaperRow:
    """One method; None where the paper gives no figure."""

    method: str
    """As the paper calls it."""
    table: int
    """Number of the paper's table."""
    base: float | None
    """Accuracy in per cent."""
    novel: float | None
    """Accuracy in per cent."""
    harmonic: float | None
    """Harmonic mean in per cent."""


@dataclass(frozen=True)
class PaperSweep:
    """Half of table 8."""

    frozen_video: float
    """Accuracy of `v` alone, in per cent."""
    extra: float
    """Accuracy of `x_m` alone, in per cent."""
    fused: dict[float, float]
    """tau_v -> accuracy of both, in per cent."""


@cache
def published() -> dict[str, Any]:
    """All tables as stored in `paper_results.json`."""
    return dict(json.loads(files("openmov.report").joinpath("paper_results.json").read_text(encoding="utf-8")))


def dataset(extra: Extra) -> str:
    """The data set behind a modality's tables."""
    return _DATASET[extra]


def results(extra: Extra) -> tuple[PaperRow, ...]:
    """Table 1 (flow) or 2 (sound), with the single-modality and score-fusion rows of table 5 before MOV."""
    number = 1 if extra == "flow" else 2
    rows = [PaperRow(row[0], number, *row[2:]) for row in published()[_RESULTS[extra]]["rows"]]
    fusion = [
        PaperRow(_fusion_name(row[0], extra), 5, row[_FUSION_COLUMN[extra]], None, None)
        for row in published()["table5_fusion"]["rows"]
        if row[0] != "cross-attention"  # that row is MOV, already in table 1 or 2
    ]
    return (*rows[:-1], *fusion, rows[-1])


def margins(extra: Extra) -> tuple[float, float]:
    """MOV minus CLIP in points: base, novel."""
    rows = {row[0]: row for row in published()[_RESULTS[extra]]["rows"]}
    base, novel = (rows["MOV"][column] - rows["CLIP"][column] for column in (2, 3))
    return base, novel


def sweep(extra: Extra) -> PaperSweep:
    """The rows of table 8."""
    rows = [row for row in published()["table8_temperature"]["rows"] if row[0] == _SWEEP_NAME[extra]]
    return PaperSweep(rows[0][1], rows[0][2], {row[3]: row[4] for row in rows})


def _fusion_name(name: str, extra: Extra) -> str:
    only = "flow only" if extra == "flow" else "sound only"
    return only if name == "flow or audio only" else name
