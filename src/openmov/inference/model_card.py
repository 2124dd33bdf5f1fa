"""The model card of a shared model: what it is, what it was trained on, what it reached, whose licences apply.

Says what is known and says so where nothing is; every figure comes from the run's own files.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openmov.evaluation.metrics import proportion
from openmov.inference.trained import SharedConfig
from openmov.model.backbones.folder import BUNDLED
from openmov.model.backbones.source import UNKNOWN, is_non_commercial

_SHOWN = 20


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of."""

    name: str
    """Of the recipe."""
    config: SharedConfig = field(repr=False)
    """Of the shared model."""
    licence: str | None
    """Of the trained weights; None where nobody said."""
    data: Mapping[str, Any] = field(repr=False)
    """The run's data.json."""
    results: Mapping[str, Any] = field(repr=False)
    """The run's results.json; empty where it was not evaluated."""

    @property
    def backbone(self) -> str:
        """Its name for strangers."""
        return str(self.config.recipe["backbone"]["name"])

    @property
    def on_hub(self) -> bool:
        """Whether the backbone is a model of the hub."""
        return "/" in self.backbone


def model_card(facts: CardFacts) -> str:
    """Markdown with YAML front matter."""
    parts = [_front_matter(facts), f"# {facts.name}", _what(facts), _use(facts), _training(facts), _results(facts)]
    return "\n\n".join([*parts, _licences(facts), _limits()]) + "\n"


def _front_matter(facts: CardFacts) -> str:
    lines = ["---", "library_name: openmov", "pipeline_tag: video-classification"]
    lines += [f"license: {json.dumps(facts.licence)}"] if facts.licence else []
    lines += [f"base_model: {json.dumps(facts.backbone)}"] if facts.on_hub else []
    tags = ["video", "open-vocabulary", "zero-shot", *facts.config.recipe["model"]["modalities"]]
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))]
    return "\n".join([*lines, "---"])


def _what(facts: CardFacts) -> str:
    recipe = facts.config.recipe
    modalities = ", ".join(recipe["model"]["modalities"])
    return (
        f"An open-vocabulary video classifier (method `{recipe['model']['method']}` of openmov, on {modalities}): it "
        f"was trained on {len(facts.config.base_classes)} base classes and answers among any names in plain language. "
        f"This folder holds the trained weights alone; the frozen backbone is `{facts.backbone}` (hash "
        f"`{facts.config.backbone_identity}`), which is fetched or given beside it."
    )


def _use(facts: CardFacts) -> str:
    names = json.dumps(facts.config.base_classes[:2], ensure_ascii=False)
    given = "" if facts.on_hub or facts.backbone in (*BUNDLED, "conse") else ", backbone=BACKBONE_FOLDER"
    return (
        "## Use\n\n```python\nimport openmov\n\n"
        f"model = openmov.from_pretrained(THIS_FOLDER{given})\n"
        f'model.predict(["clip.mp4"], model.vocabulary({names}))\n```\n\n'
        'or `openmov predict clip.mp4 --run THIS_FOLDER --labels "one name, another"`.'
    )


def _training(facts: CardFacts) -> str:
    recipe, training = facts.config.recipe, facts.config.recipe["training"]
    best = facts.config.training["best"]
    rows = {
        "data": _dataset(facts.data),
        "clips": f"{facts.data.get('train_clips', 'unknown')} to train, "
        f"{facts.data.get('validation_clips', 'unknown')} to validate",
        "split": f"{len(facts.config.base_classes)} base classes (vocabulary `{facts.config.vocabulary_identity}`)",
        "seed": training["seed"],
        "epochs": f"{best['epoch']} of {training['epochs']} (the best by validation)",
        "batch": f"{training['batch_size']} clips, learning rate {training['learning_rate']:g}",
        "views": f"{recipe['views']['train_seeds']} in training, "
        f"{recipe['views']['num_clips']} x {recipe['views']['num_crops']} at test",
        "prompts": facts.config.prompts,
        "calibration": _calibration(facts.config),
    }
    names = facts.config.base_classes
    shown = ", ".join(names[:_SHOWN]) + (
        f" and {len(names) - _SHOWN} more (config.json)" if len(names) > _SHOWN else ""
    )
    return f"## Training\n\n{_table(('', ''), rows.items())}\n\nBase classes: {shown}."


def _dataset(data: Mapping[str, Any]) -> str:
    dataset = data.get("dataset")
    listed = f"manifest `{data.get('manifest', 'unknown')}`"
    if not dataset:
        return listed
    return f"{dataset['title']}: {'; '.join(dataset['present'])} ({listed})"


def _calibration(config: SharedConfig) -> str:
    if config.calibration is None:
        return "none"
    chosen = config.calibration
    return f"beta {chosen.beta:g}, tau_x {chosen.tau_x:g}, tau_v {chosen.tau_v:g}, on held-out base classes"


def _results(facts: CardFacts) -> str:
    rows = [
        (row["method"], *(_share(*row[role]) for role in ("base", "novel"))) for row in facts.results.get("rows", ())
    ]
    value = facts.config.training["best"].get("validation")
    validation = "" if value is None else f"Accuracy on the validation clips of base classes: {value:.1%}."
    if not rows:
        return f"## Results\n\n{validation} The run was not evaluated on test clips."
    return f"## Results\n\n{_table(('method', 'base', 'novel'), rows)}\n\n{validation}"


def _share(right: int, count: int) -> str:
    share = proportion(right, count)
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, {count} clips)"


def _licences(facts: CardFacts) -> str:
    found = facts.config.backbone_licence
    theirs = "unknown: see where it was published" if found == UNKNOWN else f"`{found}`"
    theirs += ", which forbids commercial use" if is_non_commercial(found) else ""
    theirs += f" (revision `{facts.config.backbone_revision}`)" if facts.config.backbone_revision else ""
    ours = f"`{facts.licence}`" if facts.licence else "not stated; ask whoever shared it"
    return (
        f"## Licences\n\nThe trained weights: {ours}. The backbone `{facts.backbone}`: {theirs}. The flow and sound "
        "encoders started from the backbone's weights. The videos have licences of their own."
    )


def _limits() -> str:
    return (
        "## Limits\n\nNames that were not trained on are answered through the frozen backbone and the flow and sound "
        "encoders, and less accurately. The probabilities say which of the given names fits best, not whether any does "
        "(`--unknown` asks that). Whatever bias the backbone learned from the web is still in it."
    )


def _table(head: tuple[str, ...], rows: Any) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |"

    return "\n".join(lines())
