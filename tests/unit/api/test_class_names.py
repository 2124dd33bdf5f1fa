"""What is embedded, and when: a counting backbone stands for the real one."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from openmov.build import ClassNames
from openmov.model.backbones import Backbone
from openmov.store.class_vectors import ClassVectors
from openmov.text.vocabulary import Vocabulary


def backbone(refused: str = "") -> Any:
    """A name's vector is drawn from its letters; `asked` lists what was embedded."""
    asked: list[str] = []

    def embed_text(sentences: Sequence[str]) -> Tensor:
        if refused in sentences:
            raise KeyboardInterrupt
        asked.extend(sentences)
        rows = [torch.randn(4, generator=torch.Generator().manual_seed(sum(map(ord, text)))) for text in sentences]
        return torch.stack(rows)

    rest = {name: print for name in dir(Backbone) if not name.startswith("_")}
    return SimpleNamespace(**rest | {"identity": "counting", "dim": 4, "embed_text": embed_text, "asked": asked})


def vocabulary(*names: str) -> Vocabulary:
    return Vocabulary((), names, "none")


def test_only_what_no_run_before_has_embedded_is_embedded(tmp_path: Path) -> None:
    first, second, third = backbone(), backbone(), backbone()
    one = ClassNames(first, store=ClassVectors(tmp_path))(vocabulary("a", "b", "c"))
    again = ClassNames(second, store=ClassVectors(tmp_path))(vocabulary("a", "b", "c"))
    more = ClassNames(third, store=ClassVectors(tmp_path))(vocabulary("c", "d", "a"))
    assert (first.asked, second.asked, third.asked) == (["a", "b", "c"], [], ["d"])
    assert torch.equal(one.vectors, again.vectors)
    assert torch.equal(more.vectors[[2, 0]], one.vectors[[0, 2]])
    assert more.names == ("c", "d", "a")
    assert more.vectors.norm(dim=1).tolist() == pytest.approx([1, 1, 1])


def test_the_vectors_are_those_without_a_store(tmp_path: Path) -> None:
    names = vocabulary("a", "b", "c")
    kept = ClassNames(backbone(), store=ClassVectors(tmp_path))(names)
    assert torch.equal(kept.vectors, ClassNames(backbone())(names).vectors)


def test_an_interrupt_keeps_what_is_done(tmp_path: Path) -> None:
    names = [f"name {i}" for i in range(600)]
    with pytest.raises(KeyboardInterrupt):
        ClassNames(backbone(refused="name 550"), store=ClassVectors(tmp_path))(vocabulary(*names))
    after = backbone()
    ClassNames(after, store=ClassVectors(tmp_path))(vocabulary(*names))
    assert after.asked == names[512:]


def test_many_threads_embed_a_vocabulary_once(tmp_path: Path) -> None:
    counting = backbone()
    embed = ClassNames(counting, store=ClassVectors(tmp_path))
    threads = [threading.Thread(target=embed, args=(vocabulary("a", "b"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.asked == ["a", "b"]


def test_memory_holds_a_few_vocabularies_only() -> None:
    counting = backbone()
    embed = ClassNames(counting)
    for i in range(9):
        embed(vocabulary(f"name {i}"))
    embed(vocabulary("name 8"))
    assert len(counting.asked) == 9
    embed(vocabulary("name 0"))
    assert len(counting.asked) == 10
