"""Gathers the stored frozen embeddings of a list of videos into one folder that is mapped into memory.

    cache entries of every video --in the order of the list--> features folder: `train --features` opens no video

The folder holds seeded views of training clips, and the views of a test of all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmov.build import Components, feature_facts
from openmov.data.reader import ClipDataset
from openmov.data.records import Record
from openmov.errors import DecodeError, RecipeError
from openmov.runtime.progress import progress_bar
from openmov.store.cache import ArrayCache, content_hash
from openmov.store.features import FeatureFacts, Stored, write_features
from openmov.types import Modality


@dataclass(frozen=True)
class Gathered:
    """What a features folder came to hold."""

    folder: Path
    """Where it is."""
    facts: FeatureFacts
    """What it was made with."""
    videos: int
    """That are in it."""
    without: tuple[str, ...]
    """Ids of those that are not: they hold no pictures, or could not be read."""
    num_bytes: int
    """Of all its files."""


def require_video(recipe_modalities: frozenset[Modality]) -> None:
    """Raises RecipeError for a recipe whose network looks at no video."""
    if Modality.VIDEO not in recipe_modalities:
        what = "gathers video embeddings, and the recipe's network looks at no video"
        raise RecipeError("--features", what, "leave it out, or add video to model.modalities")


def gather_features(components: Components, records: Sequence[Record], out: Path, *, shown: bool = True) -> Gathered:
    """Writes the folder anew, from entries that are in the cache; a video without all of them is left out and named.

    Raises StorageError, RecipeError for a recipe without video.
    """
    require_video(components.modalities)
    assert components.cache is not None
    reader, facts = (
        components.dataset(frozenset({Modality.VIDEO})),
        feature_facts(components.recipe, components.backbone),
    )
    without = []
    with progress_bar("gathering", len(records), shown=shown) as show, write_features(out, facts) as writer:
        for count, record in enumerate(records, start=1):
            views = _stored_views(reader, components.cache, record)
            if views is None:
                without.append(record.video_id)
            else:
                training = record.split == "train"
                writer.add(record.video_id, content_hash(record.path), views, training=training)
            show(count)
    num_bytes = sum(path.stat().st_size for path in out.iterdir())
    return Gathered(out, facts, len(records) - len(without), tuple(without), num_bytes)


def _stored_views(reader: ClipDataset, cache: ArrayCache, record: Record) -> list[Stored] | None:
    try:
        entries = reader.entries(record, training=record.split == "train")
    except DecodeError:
        return None
    found = [cache.load(entry.key) for entry in entries]
    return [one for one in found if one is not None] if all(one is not None for one in found) else None
