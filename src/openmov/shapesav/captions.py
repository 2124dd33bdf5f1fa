"""Pictures with captions, from which the tiny CLIP learns the words of the world.

A picture is a still of a scene, cut from it as a video frame is. In some, a motion or a sound is drawn as a mark, and
the caption may then mention it; a caption never mentions what is not in the picture. Knows nothing of networks.
"""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from openmov.shapesav.render import render_at
from openmov.shapesav.scene import SECONDS, WORLD_VERSION, Scene, draw_motion, draw_sound, poses
from openmov.shapesav.vocabulary import COLOURS, MOTIONS, SHAPES, SOUNDS, TASKS, class_names, phrase
from openmov.text.prompts import load_prompts

_SHARES = {"kinetics700": 0.85, "ucf101": 0.1}
"""How many captions are worded by each bundled set of templates; the others are the bare phrase."""

PLAIN_SHARE = 0.25
"""Of pictures without any mark, as video frames are."""
MOTION_SHARE, SOUND_SHARE = 0.55, 0.5
"""How many pictures carry a motion mark, a sound mark."""
MENTION_SHARE, COLOUR_SHARE = 0.92, 0.4
"""How many captions mention a mark that is there, and the colour."""


@dataclass(frozen=True)
class Marks:
    """What is drawn into a picture."""

    motion: str | None
    """One of MOTIONS, or None for no motion mark."""
    sound: str | None
    """One of SOUNDS, or None for no plate."""


@dataclass(frozen=True)
class Pair:
    """A picture and what is said of it."""

    picture: UInt8[np.ndarray, "height width 3"]
    """RGB."""
    content: str
    """The caption without its template: two pairs of the same content match either way."""
    caption: str
    """A sentence in the style of the prompt templates."""
    scene: Scene
    """Where the picture was taken; its motion and sound show only if they are in `marks`."""
    marks: Marks
    """The marks drawn."""


def draw_pair(rng: np.random.Generator, plain_share: float = PLAIN_SHARE) -> Pair:
    """A random picture with a caption; the marks, the wording and the picture's damage are drawn from `rng`.

    `plain_share` of the pictures bear no mark.
    """
    plain = rng.random() < plain_share
    marks = Marks(None, None) if plain else Marks(_maybe(MOTIONS, MOTION_SHARE, rng), _maybe(SOUNDS, SOUND_SHARE, rng))
    scene = random_scene(rng)
    picture = _damaged(marked_still(scene, marks, rng), rng)
    content = phrase(
        scene.shape,
        marks.motion if rng.random() < MENTION_SHARE else None,
        marks.sound if rng.random() < MENTION_SHARE else None,
        scene.colour if rng.random() < COLOUR_SHARE else None,
    )
    return Pair(picture, content, _worded(content, rng), scene, marks)


def random_scene(rng: np.random.Generator, shape: str | None = None) -> Scene:
    """A scene with everything drawn at random, or everything but the shape."""
    drawn, colour, motion, sound = (str(rng.choice(words)) for words in (SHAPES, COLOURS, MOTIONS, SOUNDS))
    return Scene(shape or drawn, colour, motion, sound, int(rng.integers(2**62)))


def marked_still(scene: Scene, marks: Marks, rng: np.random.Generator) -> UInt8[np.ndarray, "height width 3"]:
    """A still at a random instant of the scene, with the marks drawn in."""
    seconds = rng.uniform(0, SECONDS, 1)
    picture: UInt8[np.ndarray, "height width 3"] = render_at(scene, seconds)[0]
    if marks.motion:
        draw_motion(picture, marks.motion, poses(scene, seconds)[0], int(rng.choice([-1, 1])), rng)
    if marks.sound:
        draw_sound(picture, marks.sound, rng)
    return picture


def _maybe(words: tuple[str, ...], share: float, rng: np.random.Generator) -> str | None:
    return str(rng.choice(words)) if rng.random() < share else None


def _worded(content: str, rng: np.random.Generator) -> str:
    draw = rng.random()
    for name, share in _SHARES.items():
        if draw < share:
            return str(rng.choice(load_prompts(name))).format(content)
        draw -= share
    return content


def _damaged(picture: UInt8[np.ndarray, "height width 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Half of the pictures as they are, the others compressed."""
    if rng.random() < 0.5:
        return picture
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(rng.integers(40, 95)))
    return np.array(Image.open(buffer).convert("RGB"))


PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<bos>", "<eos>"
MAX_TOKENS = 32


def word_list() -> tuple[str, ...]:
    """Every word and punctuation mark the tiny CLIP has been taught, sorted."""
    names = [name for task in TASKS for name in class_names(task)]
    sentences = [*load_prompts("kinetics700"), *load_prompts("ucf101"), *COLOURS, *names, "an"]
    return tuple(sorted({word for sentence in sentences for word in re.findall(r"\w+|[^\w\s{}]", sentence)}))


def build_tokenizer() -> Tokenizer:
    """Splits at white space and punctuation, lower-cases, frames the sentence with <bos> and <eos>.

    <eos> has the largest id of all: CLIP's text side reads the sentence off the token with that id.
    """
    tokens = (PAD, UNKNOWN, BEGIN, *word_list(), END)
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BEGIN} $A {END}", special_tokens=[(BEGIN, ids[BEGIN]), (END, ids[END])]
    )
    tokenizer.add_special_tokens([PAD, UNKNOWN, BEGIN, END])
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`, as `AutoTokenizer` reads them."""
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_TOKENS,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "bos_token": BEGIN,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


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

    python -m openmov.shapesav.tiny_clip --out FOLDER --steps {steps} --seed {seed} --threads {threads} \\
        --width {width}

{steps} steps of {batch} rendered pairs, AdamW (peak learning rate {learning_rate:g}, one cycle, weight decay
{weight_decay:g}), encoders in {precision}; {minutes:.0f} minutes on a shared 2-core CPU. Version {world} of the world.
All training data is rendered by `openmov.shapesav.captions`: stills of the world's scenes, half of them
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
