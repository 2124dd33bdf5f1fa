"""The model card beside the tiny CLIP's weights: how it was made and what it was measured to do. Knows no network."""

from dataclasses import dataclass

from openmov.data.shapesav.scene import WORLD_VERSION

DEFAULT_WIDTH = 128


@dataclass(frozen=True)
class Settings:
    """How the tiny CLIP is pretrained."""

    steps: int
    """Optimiser steps."""
    seed: int
    """Decides the initial weights, the pictures and the captions."""
    threads: int
    """Threads of the training process; with another number the weights differ in the last bits."""
    width: int = DEFAULT_WIDTH
    """Of both towers and of the joint space; four heads share it."""
    batch: int = 128
    """Pairs a step."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    plain_steps: float = 0.25
    """Share of the steps, at the start, with unmarked pictures alone: marks are easier to learn than shapes, and
    while both are there the marks are learned first and the shapes hardly at all."""
    weight_decay: float = 0.05
    """Of AdamW, on matrices only."""
    workers: int = 1
    """Processes that render ahead; the result does not depend on them."""
    bf16: bool = True
    """Whether the matrix products of the encoders run in bfloat16."""


@dataclass(frozen=True)
class Measured:
    """What the finished model does on fresh stills of the world, as fractions of 1 (but for the temperature).

    Names are embedded through the 28 Kinetics templates.
    """

    shape: float
    """Shapes named in unmarked stills, among 8."""
    shape_of_motion_class: float
    """Shapes of the motion classes named in unmarked stills, among 64 classes."""
    marked_motion: float
    """Motions read off drawn marks, among 8, the shape being told."""
    marked_sound: float
    """Sounds read off drawn plates, among 8, the shape being told."""
    motion_base: float
    """Motion classes named in unmarked stills, among the 40 base classes of the published split."""
    motion_novel: float
    """The same among its 24 novel classes."""
    temperature: float
    """1 / exp(logit_scale) as learned."""


_CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: zero-shot-image-classification
---

# ShapesAV tiny CLIP

A CLIP of {millions:.2f} million weights that knows one small world: eight shapes in six colours, eight motions and
eight sounds. It stands in for CLIP wherever openmov is shown or tested without real data: it names the shape in a
video frame and knows the words for motions and sounds, but a frame shows neither.

## What it is

Hugging Face `CLIPModel`: pictures of 64 px in patches of 16, width {width}, 4 vision and 3 text layers, 4 heads,
{width}-dimensional joint space. Half-precision safetensors; the configuration asks for single precision, to which they
are cast when loaded. A word-level tokenizer of {words} tokens: every word it was not taught becomes `<unk>`.

## How it was made

    python -m openmov.data.shapesav.tiny_clip --out FOLDER --steps {steps} --seed {seed} --threads {threads} \\
        --width {width}

{steps} steps of {batch} rendered pairs, AdamW (peak learning rate {learning_rate:g}, one cycle, weight decay
{weight_decay:g}), encoders in {precision}; {minutes:.0f} minutes on a shared 2-core CPU. Version {world} of the world.
All training data is rendered by `openmov.data.shapesav.captions`: stills of the world's scenes, half of them
compressed. Motions and sounds appear only as drawn marks - speed lines, arrows, a plate
with a little wave - and only then in the caption. The captions are worded by the templates openmov bundles.
No photograph, no real sound and no other model was used.

## What it does

On {stills} fresh stills of the world's clips, names embedded through the 28 Kinetics templates:

| | accuracy |
|---|---|
| shape, of 8 | {shape:.1%} |
| shape of the motion class, of 64 | {shape_of_motion_class:.1%} |
| motion read off drawn marks, of 8 | {marked_motion:.1%} |
| sound read off drawn marks, of 8 | {marked_sound:.1%} |
| motion class of an unmarked still, of 40 base | {motion_base:.1%} |
| motion class of an unmarked still, of 24 novel | {motion_novel:.1%} |

The last two are what guessing the motion gives once the shape is known. Learned temperature: {temperature:.4f}.

## Limits

It has seen nothing but this world: of real pictures it knows nothing, and sentences with other words are refused.

Licence: Apache-2.0, as the code.
"""


def model_card(settings: Settings, measured: Measured, weights: int, words: int, stills: int, minutes: float) -> str:
    """The card in Markdown; `weights` and `words` are counts, `stills` how many pictures were measured on."""
    return _CARD.format(
        **vars(settings),
        **vars(measured),
        millions=weights / 1e6,
        words=words,
        stills=stills,
        minutes=minutes,
        precision="bfloat16" if settings.bf16 else "single precision",
        world=WORLD_VERSION,
    )
