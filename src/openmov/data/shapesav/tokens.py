"""The tiny CLIP's words: a word-level tokenizer in Hugging Face format that knows the world and the prompt templates.

Every other word becomes <unk>, so that a backbone adapter can refuse it. Knows nothing of networks.
"""

import json
import re
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from openmov.data.shapesav.vocabulary import COLOURS, TASKS, class_names
from openmov.text.prompts import load_prompts

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
