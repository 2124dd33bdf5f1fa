"""Pictures with captions, from which the tiny CLIP learns the words of the world.

A picture is a still of a scene, cut from it as a video frame is. In some, a motion or a sound is drawn as a mark, and
the caption may then mention it; a caption never mentions what is not in the picture. Knows nothing of networks.
"""

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from openmov.data.shapesav.marks import draw_motion, draw_sound
from openmov.data.shapesav.render import render_at
from openmov.data.shapesav.scene import SECONDS, Scene, poses
from openmov.data.shapesav.vocabulary import COLOURS, MOTIONS, SHAPES, SOUNDS, phrase
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
