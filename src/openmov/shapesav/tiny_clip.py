"""Pretrains the tiny CLIP that ships with the project: `python -m openmov.shapesav.tiny_clip --out FOLDER`.

A CLIP of 1.5 million weights (patch 16, 64 px, width 128, 4 vision and 3 text layers; `--width` makes a larger one)
learns from rendered pictures and their captions with CLIP's own loss; pairs of equal content count as matches of one
another. Pictures are rendered by a worker process ahead of the step; the picture and caption of every step follow from
the seed. This is the only module of the world that knows torch and transformers, and nothing else in the package
imports it.
"""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel
from transformers.utils import logging

from openmov.runtime.atomic import atomic_folder
from openmov.shapesav.captions import (
    BEGIN,
    DEFAULT_WIDTH,
    END,
    MAX_TOKENS,
    PAD,
    PLAIN_SHARE,
    Marks,
    Measured,
    Settings,
    build_tokenizer,
    draw_pair,
    marked_still,
    model_card,
    random_scene,
    save_tokenizer,
)
from openmov.shapesav.scene import SIZE_PX, Scene
from openmov.shapesav.vocabulary import MOTIONS, SHAPES, SOUNDS, base_novel_split, phrase
from openmov.text.prompts import fill, load_prompts

_MEAN, _STD = 0.35, 0.2  # the world's own: around CLIP's, every patch would be mostly its brightness
_STILLS = 2000
_AHEAD = 4
"""Batches rendered ahead of the step, per worker."""

_Pairs = tuple[UInt8[np.ndarray, "pair height width 3"], list[str], list[str]]
"""Pictures, contents and captions."""


def build_model(tokenizer: Tokenizer, width: int = DEFAULT_WIDTH) -> CLIPModel:
    """The untrained network for a tokenizer whose <eos> has the largest id; `width` is also the joint space's."""
    layers = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": 4,
        "projection_dim": width,
    }
    text = {
        **layers,
        "num_hidden_layers": 3,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": tokenizer.token_to_id(PAD),
        "bos_token_id": tokenizer.token_to_id(BEGIN),
        "eos_token_id": tokenizer.token_to_id(END),
    }
    vision = {**layers, "num_hidden_layers": 4, "image_size": SIZE_PX, "patch_size": 16}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width))
    model.set_attn_implementation("eager")  # a third faster than the fused kernel for 17 tokens on a CPU
    return model


def render_batch(seed: int, step: int, size: int, plain_share: float = PLAIN_SHARE) -> _Pairs:
    """The pairs of one step."""
    rng = np.random.default_rng([seed, step])
    pairs = [draw_pair(rng, plain_share) for _ in range(size)]
    pictures = np.stack([pair.picture for pair in pairs])
    return pictures, [pair.content for pair in pairs], [pair.caption for pair in pairs]


def contrastive_loss(
    image: Float[Tensor, "pair dim"],
    text: Float[Tensor, "pair dim"],
    scale: Float[Tensor, ""],
    content: Int64[Tensor, " pair"],
) -> Float[Tensor, ""]:
    """CLIP's symmetric cross-entropy; the target is spread evenly over all pairs with the same content number."""
    target = (content[:, None] == content[None, :]).float()
    target = target / target.sum(dim=1, keepdim=True)
    logits = scale * nn.functional.normalize(image.float(), dim=-1) @ nn.functional.normalize(text.float(), dim=-1).T
    return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2


def embed_pictures(model: CLIPModel, pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[Tensor, "n dim"]:
    """Projected image embeddings, not normalised."""
    pixels = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - _MEAN) / _STD
    embedded: Tensor = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    return embedded


def embed_sentences(model: CLIPModel, tokenizer: Tokenizer, sentences: list[str]) -> Float[Tensor, "n dim"]:
    """Projected text embeddings, not normalised."""
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(PAD), pad_token=PAD)
    encoded = tokenizer.encode_batch(sentences)
    ids = torch.tensor([item.ids for item in encoded])
    mask = torch.tensor([item.attention_mask for item in encoded])
    embedded: Tensor = model.text_projection(model.text_model(input_ids=ids, attention_mask=mask).pooler_output)
    return embedded


def pretrain(settings: Settings, console: Console) -> CLIPModel:
    """Trains from scratch and rounds to half precision; the same settings on the same machine give the same weights."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, settings.width)
    optimizer, schedule = _optimizer(model, settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        for step, pairs in enumerate(
            progress.track(_batches(settings), total=settings.steps, description="pretraining")
        ):
            loss = _loss(model, tokenizer, pairs, settings.bf16)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            model.logit_scale.data.clamp_(max=float(np.log(100)))
            if step % 50 == 0:
                console.print(f"step {step}: loss {loss.item():.3f}, temperature {_temperature(model):.4f}")
            if step % 500 == 499:
                console.print(f"step {step}: {measure(model, stills=400)}")
    return model.half().float().eval()


@torch.inference_mode()
def measure(model: CLIPModel, stills: int = _STILLS, seed: int = 1) -> Measured:
    """Names things in fresh stills by the nearest class embedding (mean over the 28 templates)."""
    rng = np.random.default_rng([seed, 1_000_000])  # further than any step of pretraining
    scenes = [random_scene(rng) for _ in range(stills)]
    images = _embed_stills(model, [marked_still(scene, Marks(None, None), rng) for scene in scenes])
    shapes = [phrase(scene.shape) for scene in scenes]
    guesses = _nearest(model, images, [phrase(shape, motion) for shape in SHAPES for motion in MOTIONS])
    base, novel = base_novel_split("motion")
    return Measured(
        shape=_share(_nearest(model, images, [phrase(shape) for shape in SHAPES]), shapes),
        shape_of_motion_class=_share([" ".join(guess.split()[:2]) for guess in guesses], shapes),
        marked_motion=_read_marks(model, rng, [Marks(motion, None) for motion in MOTIONS], stills),
        marked_sound=_read_marks(model, rng, [Marks(None, sound) for sound in SOUNDS], stills),
        motion_base=_zero_shot(model, images, scenes, base),
        motion_novel=_zero_shot(model, images, scenes, novel),
        temperature=_temperature(model),
    )


def save(model: CLIPModel, card: str, folder: Path) -> None:
    """Writes model (half precision), tokenizer, preprocessing and card in Hugging Face format, atomically."""
    logging.disable_progress_bar()
    with atomic_folder(folder) as temporary:
        model.half().save_pretrained(temporary)
        save_tokenizer(temporary)
        settings = json.loads((temporary / "config.json").read_text(encoding="utf-8"))
        _write_json(temporary / "config.json", {**settings, "dtype": "float32"})  # what they are cast to when loaded
        _write_json(temporary / "preprocessor_config.json", _preprocessing())
        (temporary / "README.md").write_text(card, encoding="utf-8")
        for file in temporary.iterdir():
            file.chmod(0o644)


def _write_json(path: Path, fields: dict[str, object]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _preprocessing() -> dict[str, object]:
    """The fields of `CLIPImageProcessor`: bicubic to 64 px, centre crop, mean and standard deviation."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIZE_PX},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIZE_PX, "width": SIZE_PX},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [_MEAN] * 3,
        "image_std": [_STD] * 3,
        "do_convert_rgb": True,
    }


def _optimizer(
    model: CLIPModel, settings: Settings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    decayed = [weight for weight in model.parameters() if weight.ndim >= 2]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.05
    )
    return optimizer, schedule


def _loss(model: CLIPModel, tokenizer: Tokenizer, pairs: _Pairs, bf16: bool) -> Float[Tensor, ""]:
    pictures, contents, captions = pairs
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        image, text = embed_pictures(model, pictures), embed_sentences(model, tokenizer, captions)
    numbers = torch.from_numpy(np.unique(contents, return_inverse=True)[1])
    return contrastive_loss(image, text, model.logit_scale.exp(), numbers)


def _temperature(model: CLIPModel) -> float:
    return float(torch.exp(-model.logit_scale.detach()))


def _batches(settings: Settings) -> Iterator[_Pairs]:
    """The batches of all steps, in order, rendered a few steps ahead in other processes."""
    waiting: deque[Future[_Pairs]] = deque()
    lead = _AHEAD * settings.workers
    with ProcessPoolExecutor(settings.workers, mp_context=get_context("spawn")) as processes:
        for step in range(settings.steps + lead):
            if step < settings.steps:
                share = 1.0 if step < settings.plain_steps * settings.steps else PLAIN_SHARE
                waiting.append(processes.submit(render_batch, settings.seed, step, settings.batch, share))
            if step >= lead:
                yield waiting.popleft().result()


def _embed_stills(model: CLIPModel, stills: list[UInt8[np.ndarray, "height width 3"]]) -> Float[Tensor, "n dim"]:
    parts = [embed_pictures(model, np.stack(stills[start : start + 250])) for start in range(0, len(stills), 250)]
    return torch.cat(parts)


def _nearest(model: CLIPModel, images: Float[Tensor, "n dim"], names: list[str]) -> list[str]:
    """The name nearest each image, by cosine similarity to the mean of its normalised template embeddings."""
    templates = load_prompts("kinetics700")
    sentences = [sentence for name in names for sentence in fill(templates, name)]
    text = nn.functional.normalize(embed_sentences(model, build_tokenizer(), sentences), dim=-1)
    classes = nn.functional.normalize(text.view(len(names), len(templates), -1).mean(dim=1), dim=-1)
    return [names[i] for i in (images @ classes.T).argmax(dim=1).tolist()]


def _share(guesses: list[str], truths: list[str]) -> float:
    return float(np.mean([guess == truth for guess, truth in zip(guesses, truths, strict=True)]))


def _zero_shot(model: CLIPModel, images: Float[Tensor, "n dim"], scenes: list[Scene], names: tuple[str, ...]) -> float:
    """Accuracy on the scenes whose motion class is among the names."""
    truths = [phrase(scene.shape, scene.motion) for scene in scenes]
    chosen = [i for i, truth in enumerate(truths) if truth in set(names)]
    return _share(_nearest(model, images[chosen], list(names)), [truths[i] for i in chosen])


def _read_marks(model: CLIPModel, rng: np.random.Generator, kinds: list[Marks], stills: int) -> float:
    """Accuracy at telling which of `kinds` is drawn in a still, the shape being known."""
    guesses, truths = [], []
    for shape in SHAPES:
        drawn = [kinds[i] for i in rng.integers(len(kinds), size=stills // len(SHAPES))]
        scenes = [random_scene(rng, shape) for _ in drawn]
        pictures = [marked_still(scene, marks, rng) for scene, marks in zip(scenes, drawn, strict=True)]
        names = [phrase(shape, marks.motion, marks.sound) for marks in kinds]
        guesses += _nearest(model, _embed_stills(model, pictures), names)
        truths += [phrase(shape, marks.motion, marks.sound) for marks in drawn]
    return _share(guesses, truths)


def main() -> None:
    """Pretrains, measures and writes the tiny CLIP; prints what was measured as JSON."""
    parser = argparse.ArgumentParser(prog="python -m openmov.shapesav.tiny_clip", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights; replaced if it exists")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--width", type=int, default=DEFAULT_WIDTH, help="of the towers and the joint space")
    parser.add_argument("--fp32", action="store_true", help="train in single precision throughout")
    given = parser.parse_args()
    settings = Settings(given.steps, given.seed, given.threads, width=given.width, bf16=not given.fp32)
    start = time.monotonic()
    model = pretrain(settings, Console(file=sys.stderr))
    minutes = (time.monotonic() - start) / 60
    measured = measure(model)
    card = model_card(settings, measured, model.num_parameters(), build_tokenizer().get_vocab_size(), _STILLS, minutes)
    save(model, card, given.out)
    print(json.dumps({**vars(measured), "minutes": round(minutes, 1)}, indent=2))


if __name__ == "__main__":
    main()
