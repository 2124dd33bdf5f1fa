"""Pretrained towers side by side, none of them trained: what answers from pictures and sound without a run.

    frames  --backbone, frame by frame-----> frozen
    frames  --tower that looks at a clip---> own["video"]
    samples --sound tower------------------> own["audio"]
    both    --tower that does both---------> own["both"]

Whichever there are, each is in a space of its own. Rows are views, as everywhere; view i of the pictures goes with
window i of the sound, and windows that are the same (a short sound has one) are heard once. Knows nothing of names, of
what the answers are or of how they are mixed.
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from openmov.model.backbones.base import AdaptingClipEncoder, ClipEncoder, JointEncoder, SoundEncoder
from openmov.model.encoders import FrozenFrameEncoder
from openmov.model.joint import frame_average, num_views
from openmov.types import ClipBatch, JointEmbeddings, Modality

VIDEO, AUDIO, BOTH = "video", "audio", "both"
"""Streams: keys of `JointEmbeddings.own` and `ClassEmbeddings.own`."""


class FrozenTowers(nn.Module):
    """At most one picture tower (frames or a clip), one sound tower, and one that takes both in place of the two."""

    def __init__(
        self,
        *,
        frames: FrozenFrameEncoder | None = None,
        clip: ClipEncoder | None = None,
        sound: SoundEncoder | None = None,
        joint: JointEncoder | None = None,
    ) -> None:
        """`joint` is asked where a view has both pictures and sound; `clip` and `sound` are then of the same model."""
        super().__init__()
        self.frames, self.clip, self.sound, self.joint = frames, clip, sound, joint

    @property
    def looks(self) -> bool:
        """Whether it takes pictures."""
        return self.frames is not None or self.clip is not None

    @property
    def hears(self) -> bool:
        """Whether it takes sound."""
        return self.sound is not None

    def forward(self, batch: ClipBatch) -> JointEmbeddings:
        """One row a view. Raises ValueError for a batch that holds nothing of what the towers take."""
        present = {m: mask.repeat_interleave(num_views(batch)) for m, mask in batch.present.items() if self._takes(m)}
        tokens: dict[Modality, Float[Tensor, "rows _ dim"]] = {}
        if Modality.VIDEO in present and batch.frozen is not None:
            tokens[Modality.VIDEO] = batch.frozen.flatten(0, 1)
        for modality in present:
            if modality in batch.inputs:
                tokens[modality] = self.encode_inputs(modality, batch.inputs[modality].flatten(0, 1))
        return self.join(tokens, present)

    def encode_inputs(self, modality: Modality, inputs: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows _ dim"]:
        """As far as one modality goes on its own: embeddings of frames, or of windows of sound.

        For a tower that looks at a whole clip, the pixels of every frame in one row; for one that takes both, the
        samples: `join` has all of it together.
        """
        if not self._takes(modality):
            raise ValueError(f"these towers take no {modality}")
        if modality is Modality.VIDEO:
            embedded: Tensor = inputs.flatten(2) if self.frames is None else self.frames(inputs)
            return embedded
        return inputs[:, None] if self.joint is not None else self._heard(inputs)[:, None]

    def join(
        self, frames: Mapping[Modality, Float[Tensor, "rows _ dim"]], present: Mapping[Modality, Bool[Tensor, "rows"]]
    ) -> JointEmbeddings:
        """Everything after `encode_inputs`."""
        if not frames:
            raise ValueError("a clip without pictures and without sound cannot be answered from")
        own: dict[str, Tensor] = {}
        frozen, context = None, None
        pictures, sounds = frames.get(Modality.VIDEO), frames.get(Modality.AUDIO)
        if pictures is not None and self.frames is not None:
            frozen = frame_average(pictures)
        if pictures is not None and self.clip is not None:
            clips = _spread(_squares(pictures), self.clip.num_frames)
            if self.joint is not None and sounds is not None:
                return JointEmbeddings({}, present, None, None, self._jointly(clips, sounds[:, 0], present))
            seen = present[Modality.VIDEO]
            if isinstance(self.clip, AdaptingClipEncoder):
                found, patches = self.clip.with_context(clips[seen])
                own[VIDEO], context = _put_back(found, seen), _put_back(patches, seen)
            else:
                own[VIDEO] = _put_back(self.clip(clips[seen]), seen)
        if sounds is not None:
            heard = present[Modality.AUDIO]
            own[AUDIO] = sounds[:, 0] if self.joint is None else _put_back(self._heard(sounds[heard, 0]), heard)
        return JointEmbeddings({}, present, frozen, context, own)

    def _jointly(
        self,
        clips: Float[Tensor, "rows time 3 height width"],
        samples: Float[Tensor, "rows samples"],
        present: Mapping[Modality, Bool[Tensor, "rows"]],
    ) -> dict[str, Tensor]:
        """The three streams, each computed for the rows that have what it needs."""
        assert self.joint is not None
        assert self.clip is not None
        seen, heard = present[Modality.VIDEO], present[Modality.AUDIO]
        both = seen & heard
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {VIDEO: [], AUDIO: [], BOTH: []}
        if bool(both.any()):
            for stream, rows in zip(parts, self.joint(clips[both], samples[both]), strict=True):
                parts[stream].append((rows, both))
        if bool((only := seen & ~heard).any()):
            parts[VIDEO].append((self.clip(clips[only]), only))
        if bool((only := heard & ~seen).any()):
            parts[AUDIO].append((self._heard(samples[only]), only))
        return {stream: _gathered(found) for stream, found in parts.items() if found}

    def _heard(self, samples: Float[Tensor, "rows samples"]) -> Float[Tensor, "rows dim"]:
        """Sound by sound, equal windows once."""
        assert self.sound is not None
        encode: Callable[[Tensor], Tensor] = self.sound
        distinct, place = [samples[:1]], [0]
        for row in torch.split(samples[1:], 1) if len(samples) > 1 else ():
            same = next((i for i, known in enumerate(distinct) if torch.equal(known, row)), len(distinct))
            if same == len(distinct):
                distinct.append(row)
            place.append(same)
        embedded = torch.cat([encode(one) for one in distinct])
        return embedded[torch.tensor(place, device=samples.device)]

    def _takes(self, modality: Modality) -> bool:
        return {Modality.VIDEO: self.looks, Modality.AUDIO: self.hears}.get(modality, False)


def _squares(pixels: Float[Tensor, "rows time pixels"]) -> Float[Tensor, "rows time 3 side side"]:
    """Pictures out of what `encode_inputs` made of them."""
    side = math.isqrt(pixels.shape[-1] // 3)
    return pixels.reshape(*pixels.shape[:2], 3, side, side)


def _spread(frames: Float[Tensor, "rows time 3 side side"], count: int) -> Float[Tensor, "rows count 3 side side"]:
    """As many frames as the tower takes, evenly among those there are; some twice where there are fewer."""
    time = frames.shape[1]
    if time == count:
        return frames
    places = torch.linspace(0, time - 1, count).round().long()
    return frames[:, places.to(frames.device)]


def _put_back(rows: Float[Tensor, "some ..."], present: Bool[Tensor, "rows"]) -> Float[Tensor, "rows ..."]:
    if bool(present.all()):
        return rows
    return rows.new_zeros(len(present), *rows.shape[1:]).index_put((present,), rows)


def _gathered(found: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Rows computed in several parts, each with the mask of where it belongs; zeros elsewhere."""
    total = torch.zeros(len(found[0][1]), found[0][0].shape[1], dtype=found[0][0].dtype, device=found[0][0].device)
    for rows, mask in found:
        total[mask] = rows
    return total
