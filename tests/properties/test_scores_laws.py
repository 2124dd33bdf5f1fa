"""Scores of a real, tiny network depend neither on the batches nor on the order, and no sample is lost."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmov.data.loader import collate
from openmov.data.manifest import load_manifest
from openmov.evaluation.evaluator import evaluate
from openmov.scoring.embeddings import NetworkScorer
from openmov.text.vocabulary import Vocabulary, load_vocabulary
from openmov.training.runs import LoadedRun, load_run, load_trained
from openmov.types import Clip
from tiny_world import TinyWorld


@pytest.fixture(scope="module")
def loaded(tiny_run: Path, tiny_world: TinyWorld) -> LoadedRun:
    return load_run(tiny_run, tiny_world.cache)


@pytest.fixture(scope="module")
def clips(loaded: LoadedRun, tiny_world: TinyWorld) -> list[Clip]:
    reader = loaded.components.dataset()
    return [reader.evaluation_clip(one) for one in load_manifest(tiny_world.manifest).select("test").records]


@pytest.fixture(scope="module")
def scorer(loaded: LoadedRun) -> NetworkScorer:
    components = loaded.components
    return NetworkScorer(
        load_trained(components, loaded.folder.best), components.class_embedder(), loaded.rule, components.modalities
    )


@pytest.mark.parametrize("protocol", ["base", "generalised"])
@settings(derandomize=True, deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), size=st.integers(1, 11))
def test_batch_size_and_order_change_no_answer(protocol, scorer, clips, tiny_world, seed, size):
    vocabulary: Vocabulary = load_vocabulary(tiny_world.vocabulary).for_protocol(protocol)
    asked = [clip for clip in clips if clip.label in vocabulary.names]
    order = torch.randperm(len(asked), generator=torch.Generator().manual_seed(seed)).tolist()
    whole = evaluate(scorer, [collate(asked, scorer.modalities)], vocabulary)
    turned = [asked[place] for place in order]
    parts = [collate(turned[k : k + size], scorer.modalities) for k in range(0, len(turned), size)]
    found = evaluate(scorer, parts, vocabulary)
    assert len(found.records) == len(asked)
    for one, other in zip(whole.records, found.records, strict=True):
        assert (one.video_id, one.label) == (other.video_id, other.label)
        torch.testing.assert_close(
            torch.tensor(one.true_probability), torch.tensor(other.true_probability), atol=1e-5, rtol=0
        )


def test_another_clip_has_another_answer(scorer, clips, tiny_world):
    """The law above would hold for a network that ignores its clips."""
    vocabulary = load_vocabulary(tiny_world.vocabulary)
    rows = scorer.score(collate(clips, scorer.modalities), vocabulary)
    assert len({tuple(row) for row in rows.tolist()}) == len(clips)
