"""What was prepared, in shards: training and test read from them what they read from loose files."""

from pathlib import Path

import pytest
import torch

from openmov.build import build_components
from openmov.config.load import change_recipe, load_recipe
from openmov.data import footage
from openmov.data.loader import TrainLoader
from openmov.data.manifest import load_manifest
from openmov.errors import StorageError
from openmov.prepare.manifest import PrepareOptions, prepare_manifest
from openmov.prepare.pack import pack_manifest
from tiny_world import TinyWorld

THREADS = PrepareOptions(workers=1, engine="threads", limit_seconds=None)


def test_a_pack_feeds_training_and_test_as_the_cache_does(
    tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = change_recipe(load_recipe(tiny_world.recipe), ["model.modalities=[video,flow]", "flow.tvl1.num_scales=1"])
    loose, out = tmp_path / "loose", tmp_path / "pack"
    with pytest.raises(StorageError, match=r"lacks entries of 30 videos.*run openmov prepare first"):
        pack_manifest(recipe, tiny_world.manifest, out, cache_folder=loose, shown=False)
    prepare_manifest(recipe, tiny_world.manifest, cache_folder=loose, options=THREADS, shown=False)
    done = pack_manifest(recipe, tiny_world.manifest, out, cache_folder=loose, shard_bytes=400_000, shown=False)
    assert (done.samples, done.unreadable) == (30, ())
    assert done.num_bytes == sum(path.stat().st_size for path in out.glob("*.tar"))
    assert len(list(out.glob("*.tar"))) > 1

    monkeypatch.setattr(footage, "Footage", None)
    records = load_manifest(tiny_world.manifest).records
    train = [record for record in records if record.split == "train"]
    readers = [build_components(recipe, folder).dataset() for folder in (loose, out)]
    for epoch in (0, 1, 5):  # at any step, as a resumed training asks
        one, other = (TrainLoader(reader, train, seed=3).batch([4, 0, 7], epoch) for reader in readers)
        assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
        assert one.frozen is not None
        assert other.frozen is not None
        assert torch.equal(one.frozen, other.frozen)
    for record in [record for record in records if record.split == "test"][:3]:
        clips = [reader.evaluation_clip(record) for reader in readers]
        assert all(torch.equal(clips[0].inputs[name], clips[1].inputs[name]) for name in clips[0].inputs)
    assert readers[1].cache is not None
    assert readers[1].cache.misses == 0
