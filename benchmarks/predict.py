"""Wall time of `predict`: openmov beside the straightforward pipeline, on the same files, pairs and views.

    python benchmarks/predict.py [--quick] [--media FOLDER] [--only WORD] [--backbone FOLDER] [--share] [--json FILE]

The straightforward one decodes everything with PyAV, computes OpenCV's TV-L1 on the same pairs of frames, and runs
transformers in single precision; heads and fusion, which before training change nothing, it leaves out. Both answer
from video, flow and sound, with an untrained MOV over a ViT-B/16 of random weights, whose answers mean nothing and are
compared all the same: top answer, and every view's cosines with every name. Each clip goes through openmov, the other,
openmov again, and `--preset fast` twice; the lesser time of two counts. Loading and embedding the names come before,
and are shown apart. `--share` measures instead how near the encoder comes to the rate of this processor's own
bfloat16 matrix products; `--memory` runs the command itself in a process of its own, clip by clip, and then on one of
10 s and one ten times as long, for wall time from a cold start and peak memory. Without --media the clip is made
here: 10 s of a texture moving 12 pixels a frame (with --quick, 4 s and 1 pixel), with noise to hear.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from flow import machine
from openmov.data import pictures
from openmov.data.footage import Footage
from openmov.data.records import Record
from openmov.data.segment import file_facts, span_within
from openmov.data.sound import SoundReader
from openmov.inference.answers import Prediction
from openmov.inference.predict import load
from openmov.inference.predictor import Predictor
from openmov.media.decode import read_frame_pairs
from openmov.media.encode import write_clip
from openmov.media.sampling import View, ViewSettings, evaluation_views
from openmov.modalities.flow import flow_image, working_size
from openmov.modalities.rgb import normalise, resize_crop
from openmov.model.backbones.clip import CLIPBackbone
from openmov.model.encoders import FrameEncoder
from openmov.scoring.paths import novel_probabilities
from openmov.text.prompts import load_prompts
from openmov.tvl1.flow import grey
from openmov.types import ClassEmbeddings, JointEmbeddings, Modality

LABELS = ("archery", "arm wrestling", "biking", "orchestra", "printer printing", "volcano explosion")
STAGES = ("decode", "flow", "sound", "encoders")
VIT_B16_GFLOP = 35.13
"""Of one picture: 12 blocks of 197 tokens (4 x 768^2 + 8 x 768^2 + 2 x 197 x 768 a token), patches; 2 a product."""


def random_clip(folder: Path) -> Path:
    """A CLIP ViT-B/16 of random weights, whose tokenizer knows the words of the names and of the templates."""
    words = sorted(set(re.findall(r"\w+|[^\w\s]+", " ".join([*LABELS, *load_prompts("kinetics700")]))))
    ids = {word: i for i, word in enumerate(["<start>", "<pad>", "<unk>", *words, "<end>"])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    ends = [("<start>", 0), ("<end>", len(ids) - 1)]
    tokenizer.post_processor = TemplateProcessing(single="<start> $A <end>", special_tokens=ends)
    special = {"bos_token": "<start>", "eos_token": "<end>", "pad_token": "<pad>", "unk_token": "<end>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    text = {"vocab_size": len(ids), "bos_token_id": 0, "eos_token_id": len(ids) - 1}
    vision = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "patch_size": 16}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**vision, "num_hidden_layers": 12}))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name != "logit_scale":
                weight.add_(torch.randn_like(weight) * 0.02)  # norms and biases too, so that all of them matter
    model.save_pretrained(folder)
    return folder


@dataclass
class Measured:
    """One pipeline on one clip."""

    seconds: float
    stages: dict[str, float]
    embeddings: JointEmbeddings
    probabilities: torch.Tensor
    views: str = ""
    modalities: tuple[Modality, ...] = ()
    load_seconds: float = field(default=0.0)


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.stages = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.stages[name] += time.perf_counter() - started

    @contextmanager
    def around(self, owner: Any, attribute: str, name: str) -> Iterator[None]:
        """Every call of `owner.attribute` counts for a stage."""
        plain = getattr(owner, attribute)

        def timed(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return plain(*args, **options)

        setattr(owner, attribute, timed)
        try:
            yield
        finally:
            setattr(owner, attribute, plain)


def ours(predictor: Predictor, path: Path) -> Measured:
    """One call of `Predictor.predict`, all of it timed; what it embedded is read off on the way."""
    vocabulary, clock, kept = predictor.vocabulary(LABELS), Clock(), []
    scorer = predictor._scorer
    embed = scorer.embed
    scorer.embed = lambda batch: kept.append(embed(batch)) or kept[-1]
    watched = [
        clock.around(Footage, "_at", "decode"),
        clock.around(pictures, "compute_flow", "flow"),
        clock.around(SoundReader, "evaluation_windows", "sound"),
        clock.around(FrameEncoder, "forward", "encoders"),
    ]
    with watched[0], watched[1], watched[2], watched[3]:
        started = time.perf_counter()
        (answer,) = predictor.predict([path], vocabulary, top=len(LABELS))
        seconds = time.perf_counter() - started
    scorer.embed = embed
    if not isinstance(answer, Prediction):
        raise answer
    by_name = dict(zip(answer.answers.names, answer.answers.probabilities, strict=True))
    found = torch.tensor([by_name[name] for name in vocabulary.names])
    return Measured(seconds, clock.stages, kept[0], found, predictor.settings(vocabulary).views, answer.modalities)


class Straightforward:
    """What one would write in an afternoon."""

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        self.components = predictor._components
        self.model = CLIPModel.from_pretrained(folder).eval()
        self.classes: ClassEmbeddings = predictor._scorer.embed_classes(predictor.vocabulary(LABELS))
        self.sound = SoundReader(self.components.recipe.audio)

    def predict(self, path: Path) -> Measured:
        recipe, clock = self.components.recipe, Clock()
        info = file_facts(path)
        views = self._views(path)
        moments = list(dict.fromkeys(view.times_seconds for view in views))
        pairs = [self._pair_times(path, times) for times in moments]
        started = time.perf_counter()
        with clock.stage("decode"):
            images, times = decode_everything(path)
        with clock.stage("flow"):
            flows = [self._flow(images, times, chosen) for chosen in pairs]
        embedded = {Modality.VIDEO: [], Modality.FLOW: []}
        for view in views:
            moment = moments.index(view.times_seconds)
            shown = images[np.searchsorted(times, np.array(view.times_seconds) + 5e-4, side="right") - 1]
            size, mean, std = recipe.video.crop_size, self.components.backbone.mean, self.components.backbone.std
            rgb = normalise(resize_crop(shown, view.crop, size), mean, std)
            moved = flow_image(flows[moment], view.crop, size, recipe.flow, mean, std)
            with clock.stage("encoders"):
                embedded[Modality.VIDEO].append(self._encode(rgb))
                embedded[Modality.FLOW].append(self._encode(moved))
        with clock.stage("sound"):
            windows = self.sound.evaluation_windows(Record(str(path), path), info, len(views))
        if windows is not None:
            with clock.stage("encoders"):
                embedded[Modality.AUDIO] = [self._encode(window[None]) for window in windows]
        embeddings = self._joint(embedded)
        found = novel_probabilities(embeddings, self.classes, self.components.novel_path).mean(0)
        return Measured(time.perf_counter() - started, clock.stages, embeddings, found)

    @torch.inference_mode()
    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        with bilinear_positions():
            return self.model.get_image_features(images, interpolate_pos_encoding=True).pooler_output

    def _joint(self, embedded: dict[Modality, list[torch.Tensor]]) -> JointEmbeddings:
        frames = {modality: torch.stack(views) for modality, views in embedded.items()}
        present = {modality: torch.ones(len(rows), dtype=torch.bool) for modality, rows in frames.items()}
        fused = {modality: rows.mean(dim=1) for modality, rows in frames.items()}
        return JointEmbeddings(fused, present, F.normalize(frames[Modality.VIDEO], dim=-1).mean(dim=1))

    def _views(self, path: Path) -> tuple[View, ...]:
        recipe, stream = self.components.recipe, file_facts(path).video
        video = recipe.video
        settings = ViewSettings(
            num_frames=video.num_frames,
            stride_seconds=video.stride_seconds,
            crop_fraction=video.crop_size / video.short_side,
        )
        span = span_within(Record(str(path), path), stream)
        counts = recipe.views.num_clips, recipe.views.num_crops
        return evaluation_views(span, (stream.width, stream.height), *counts, settings)

    def _pair_times(self, path: Path, times: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The same pairs as openmov's, by their times: which they are is not what is compared."""
        found = read_frame_pairs(path, times, min_gap_seconds=self.components.recipe.flow.min_gap_seconds)
        return found.first.times_seconds, found.second.times_seconds

    def _flow(self, images: np.ndarray, times: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        height, width = working_size(*images.shape[1:3], self.components.recipe.flow.short_side)

        def working(when: float) -> np.ndarray:
            picture = Image.fromarray(grey(images[nearest(times, when)]))
            return np.array(picture.resize((width, height), Image.Resampling.BILINEAR))

        first, second = ([working(when) for when in side] for side in pairs)
        method = cv2.optflow.DualTVL1OpticalFlow_create()
        return np.stack([method.calc(a, b, None) for a, b in zip(first, second, strict=True)])


def nearest(times: np.ndarray, wanted: float) -> int:
    return int(np.abs(times - wanted).argmin())


def decode_everything(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        frames = [(frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)]
    return np.stack([image for image, _ in frames]), np.array([when for _, when in frames])


@contextmanager
def bilinear_positions() -> Iterator[None]:
    """transformers interpolates positions bicubically, the paper bilinearly: made alike, as no speed is in it."""
    plain = F.interpolate
    F.interpolate = lambda *args, **options: plain(*args, **{**options, "mode": "bilinear"})
    try:
        yield
    finally:
        F.interpolate = plain


@dataclass(frozen=True)
class Compared:
    """openmov and the straightforward pipeline on one clip."""

    name: str
    theirs: Measured
    paper: Measured
    fast: Measured
    classes: torch.Tensor

    def times(self, one: Measured) -> float:
        return self.theirs.seconds / one.seconds

    def farthest_cosine(self) -> float:
        """The largest difference of a view's cosine with a name, over streams."""
        return max(
            float((cosines(theirs, self.classes) - cosines(mine, self.classes)).abs().max())
            for theirs, mine in self._streams()
        )

    def least_agreement(self) -> float:
        """The smallest cosine between a view's embedding and the other's, over streams."""
        return min(float(F.cosine_similarity(theirs, mine).min()) for theirs, mine in self._streams())

    def _streams(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        theirs, mine = self.theirs.embeddings, self.paper.embeddings
        return [(theirs.fused[m], mine.fused[m]) for m in theirs.fused] + [(theirs.frozen, mine.frozen)]

    def same_top(self, one: Measured) -> bool:
        return int(one.probabilities.argmax()) == int(self.theirs.probabilities.argmax())

    def to_json(self) -> dict[str, Any]:
        shown = {"straightforward": self.theirs, "openmov": self.paper, "fast": self.fast}
        facts: dict[str, Any] = {name: {"seconds": m.seconds, **m.stages} for name, m in shown.items()}
        fast_apart = float((self.fast.probabilities - self.theirs.probabilities).abs().mean())
        return facts | {
            "ratio": self.times(self.paper),
            "fast ratio": self.times(self.fast),
            "cosines apart": self.farthest_cosine(),
            "least cosine of embeddings": self.least_agreement(),
            "same top": self.same_top(self.paper),
            "fast same top": self.same_top(self.fast),
            "fast probabilities apart": fast_apart,
        }


def cosines(rows: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return F.normalize(rows.float(), dim=-1) @ classes.T


def compare(path: Path, paper: Predictor, fast: Predictor, other: Straightforward) -> Compared:
    """Everything on one clip, by turns."""
    runs = [ours(paper, path)]
    theirs = other.predict(path)
    runs.append(ours(paper, path))
    quick = min((ours(fast, path) for _ in range(2)), key=lambda run: run.seconds)
    return Compared(path.name, theirs, min(runs, key=lambda run: run.seconds), quick, other.classes.vectors)


def show(one: Compared) -> None:
    table = Table(title=f"{one.name} ({', '.join(one.paper.modalities)})", title_justify="left")
    for column in ("pipeline", "views", "wall s", *(f"{stage} s" for stage in STAGES), "times", "top answer"):
        table.add_column(column, justify="left" if column == "pipeline" else "right", no_wrap=True)
    for name, m in (("straightforward, fp32", one.theirs), ("openmov", one.paper), ("openmov --preset fast", one.fast)):
        stages = [f"{m.stages[stage]:.2f}" for stage in STAGES]
        top = LABELS[int(m.probabilities.argmax())]
        table.add_row(name, m.views or one.paper.views, f"{m.seconds:.2f}", *stages, f"{one.times(m):.2f}", top)
    Console(width=max(130, Console().width)).print(table)
    print(
        f"cosines with names at most {one.farthest_cosine():.5f} apart; cosine of embeddings at least "
        f"{one.least_agreement():.5f}; top answer {'the same' if one.same_top(one.paper) else 'ANOTHER'}"
    )


def matrix_rate(pictures_at_a_time: int) -> float:
    """GFLOP a second of bfloat16 products of the shapes that ViT-B/16 is made of, each as often as there."""
    rows, work = pictures_at_a_time * 197, []
    for inputs, outputs in ((768, 2304), (768, 768), (768, 3072), (3072, 768)):
        x, weight = (torch.randn(shape, dtype=torch.bfloat16) for shape in ((rows, inputs), (outputs, inputs)))
        work.append((x, weight))
    flops = sum(2 * x.shape[0] * weight.numel() for x, weight in work)
    return flops / 1e9 / least(lambda: [F.linear(x, weight) for x, weight in work], 3)


def least(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


@torch.inference_mode()
def share(folder: Path, rounds: int) -> dict[str, float]:
    """Pictures a second of four encoders, by turns, and of the products alone."""
    x = F.interpolate(torch.randn(32, 3, 28, 28), size=224, mode="bilinear")
    theirs, half = CLIPModel.from_pretrained(folder).eval(), CLIPModel.from_pretrained(folder).eval().bfloat16()
    prepared = CLIPBackbone.load(str(folder)).image_encoder().for_inference(torch.bfloat16)
    small = x[:16].bfloat16()
    encoders: dict[str, tuple[Callable[[], object], int]] = {
        "transformers, fp32": (lambda: theirs.get_image_features(x[:8]), 8),
        "transformers, bf16": (lambda: half.get_image_features(small), 16),
        "openmov, bf16": (lambda: prepared(x), 32),
    }
    speeds, rate = dict.fromkeys(encoders, 0.0), 0.0
    for _ in range(rounds):
        rate = max(rate, *(matrix_rate(count) for count in (4, 8, 16)))
        for name, (work, count) in encoders.items():
            speeds[name] = max(speeds[name], count / least(work, 2))
    limit = rate / VIT_B16_GFLOP
    table = Table(title="ViT-B/16, pictures of 224 x 224", title_justify="left")
    for column in ("encoder", "frames/s", "share of the bf16 product rate"):
        table.add_column(column, justify="left" if column == "encoder" else "right")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:.2f}", f"{speed / limit:.1%}")
    table.add_row(f"products alone ({rate:.0f} GFLOP/s)", f"{limit:.2f}", "100%")
    Console(width=max(100, Console().width)).print(table)
    return speeds | {"limit": limit, "share": speeds["openmov, bf16"] / limit}


def memory(folder: Path, paths: list[Path], more: list[str]) -> dict[str, tuple[float, float]]:
    """Wall seconds and peak MB of `openmov predict` on each file, in a process of its own."""
    table = Table(title=f"openmov predict {' '.join(more)}", title_justify="left")
    for column in ("file", "wall s", "peak MB"):
        table.add_column(column, justify="left" if column == "file" else "right")
    found = {}
    for path in paths:
        verb = [sys.executable, "-c", "from openmov.cli import main; main()", "predict", str(path)]
        started = time.perf_counter()
        asked = ["--labels", ", ".join(LABELS), "--backbone", str(folder), *more]
        child = subprocess.Popen([*verb, *asked], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{path}: openmov predict left with {child.returncode}")
        found[path.name] = (time.perf_counter() - started, usage.ru_maxrss / 1024)
        table.add_row(path.name, *(f"{number:.1f}" for number in found[path.name]))
    Console(width=max(100, Console().width)).print(table)
    return found


def media(options: argparse.Namespace) -> list[Path]:
    """The clips asked for."""
    listed = sorted(options.media.iterdir()) if options.media else []
    return [path for path in listed if path.suffix in (".mp4", ".avi") and options.only in path.name]


def made_clip(folder: Path, seconds: float, name: str = "made.mp4", shift: int = 12) -> Path:
    """A texture that moves so many pixels a frame at 25 frames a second, and noise."""
    rng = np.random.default_rng(0)
    canvas = cv2.GaussianBlur(rng.uniform(0, 255, (240, 1400, 3)).astype(np.float32), (0, 0), 3)
    canvas = np.clip((canvas - 127) * 6 + 127, 0, 255).astype(np.uint8)
    count = round(seconds * 25)
    images = np.stack([canvas[:, shift * k % 1000 : shift * k % 1000 + 320] for k in range(count)])
    samples = rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
    write_clip(folder / name, images, 25, samples)
    return folder / name


def run_all(options: argparse.Namespace, work: Path) -> tuple[dict[str, Any], float]:
    folder = options.backbone or random_clip(work / "clip")
    if options.share:
        found = share(folder, 3 if options.quick else 8)
        return found, found["share"]
    if options.memory:
        clips = [*media(options), *(made_clip(work, seconds, f"made_{seconds}_s.mp4") for seconds in (10, 100))]
        views = ["--views", "1x1"] if options.quick else ["--views", "4x3"]
        used = memory(folder, clips[-2:] if options.quick else clips, ["--modalities", "video,flow,audio", *views])
        return used, used["made_100_s.mp4"][1] / used["made_10_s.mp4"][1]
    few = ("video.num_frames=4",) if options.quick else ()
    all_of_it = {"backbone": str(folder), "modalities": "video,flow,audio", "overrides": few}
    started = time.perf_counter()
    paper = load(**all_of_it, views="1x3" if options.quick else "4x3")
    paper._scorer.embed_classes(paper.vocabulary(LABELS))
    loaded = time.perf_counter() - started
    fast = load(**all_of_it, preset="fast", views="1x1" if options.quick else None)
    other = Straightforward(folder, paper)
    print(f"openmov loaded, names embedded: {loaded:.1f} s")
    paths = media(options) or [made_clip(work, 4, shift=1) if options.quick else made_clip(work, 10)]
    warm = made_clip(work, 1, "warm.mp4")
    ours(paper, warm)  # numba's cache is read, and the allocator's first pages are had
    found = [compare(path, paper, fast, other) for path in paths]
    for one in found:
        show(one)
    ratios = [one.times(one.paper) for one in found]
    print(f"least ratio {min(ratios):.2f}, least of --preset fast {min(one.times(one.fast) for one in found):.2f}")
    return {one.name: one.to_json() for one in found} | {"load seconds": loaded}, min(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames and views: under a minute")
    parser.add_argument("--media", type=Path, help="a folder of clips")
    parser.add_argument("--only", default="", help="of these, the clips with this in their names")
    parser.add_argument("--backbone", type=Path, help="a CLIP folder instead of random weights")
    parser.add_argument("--share", action="store_true", help="the encoder beside bare matrix products")
    parser.add_argument("--memory", action="store_true", help="the command from a cold start: time and peak memory")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as work:
        facts, headline = run_all(options, Path(work))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "results": facts}, indent=1))
    name = "predict_over_straightforward"
    if options.share or options.memory:
        name = "share_of_bf16_product_rate" if options.share else "peak_memory_of_ten_times_the_length"
    print(f"headline: {name} {headline:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
