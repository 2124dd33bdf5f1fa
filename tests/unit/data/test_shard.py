"""Parts of a list: disjoint, together the whole, the same for a video whatever the list's order."""

import pytest

from openmov.data.shards import Shard
from openmov.errors import ManifestError

IDS = [f"videos/{number:05}.mp4" for number in range(1600)]


def test_parts_are_disjoint_and_cover_the_list() -> None:
    shards = [Shard(number, 16) for number in range(1, 17)]
    holders = [[shard for shard in shards if shard.holds(video)] for video in IDS]
    assert all(len(found) == 1 for found in holders)
    sizes = [holders.count([shard]) for shard in shards]
    assert sum(sizes) == 1600
    assert 60 < min(sizes) <= max(sizes) < 140  # 100 on average, standard deviation 10


def test_a_part_is_a_matter_of_the_id_alone() -> None:
    """On every machine and in every release: where the parts moved, a job array that goes on would miss some."""
    shard = Shard.parse("3/5")
    assert [number for number, video in enumerate(IDS[:20]) if shard.holds(video)] == HELD


HELD = [6, 9, 12, 17, 18, 19]


def test_one_of_one_is_all() -> None:
    assert all(Shard.parse("1/1").holds(video) for video in IDS)


@pytest.mark.parametrize("text", ["0/64", "65/64", "3", "3/", "/64", "-1/4", "a/b", "1/0", "1.5/3", "3/64/2"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match="is not part of a whole; write 1/64 to 64/64"):
        Shard.parse(text)


def test_its_words_are_read_back() -> None:
    assert str(Shard.parse("3/64")) == "3/64"
