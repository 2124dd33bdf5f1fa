"""A model and a tokenizer of `transformers` out of a folder, strictly: every weight is there and fits, or one line says
what is wrong. No code of the folder is run, and nothing is printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

from openmov.errors import BackboneError, CheckpointError
from openmov.model.backbones.contents import FETCH_AGAIN, ModelContents
from openmov.runtime.checkpoint import map_tensors

CONFIG_ERRORS = (OSError, ValueError, TypeError, AttributeError, StrictDataclassError)
"""What transformers raises for a config whose values are not what they should be."""
_TOKENIZER_ERRORS = (OSError, ValueError, KeyError, TypeError)
"""What transformers lets through of files that are not what they should be."""


def load_model(name: str, contents: ModelContents, model_class: Any) -> Any:
    """A model of `model_class` with the weights of a folder in transformers' format, in single precision.

    Raises BackboneError where weights are missing or do not fit config.json.
    """
    config = read_config(name, contents.folder, model_class)
    return fill_model(name, model_class, config, read_weights(name, contents.weights))


def read_config(name: str, folder: Path, model_class: Any) -> Any:
    """config.json as the class of `model_class`'s config. Raises BackboneError for values it refuses."""
    with quiet():
        try:
            return model_class.config_class.from_pretrained(folder, local_files_only=True)
        except CONFIG_ERRORS as error:
            raise BackboneError(name, "its config.json is not one of its kind", FETCH_AGAIN) from error


def read_weights(name: str, files: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of all files, mapped. Raises BackboneError."""
    state: dict[str, Tensor] = {}
    for file in files:
        try:
            state |= map_tensors(file)
        except CheckpointError as error:
            raise BackboneError(name, f"{file.name} is damaged or cut short", FETCH_AGAIN) from error
    return state


def fill_model(name: str, model_class: Any, config: Any, state: Mapping[str, Tensor]) -> Any:
    """A model with these tensors, in single precision whatever they are stored in. Raises BackboneError."""
    with quiet():
        try:
            model, report = model_class.from_pretrained(
                None, config=config, state_dict=dict(state), dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackboneError(name, "its weights do not fit its config.json", FETCH_AGAIN) from error
    if report.get("mismatched_keys"):
        raise BackboneError(name, "its weights do not fit its config.json", FETCH_AGAIN)
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise BackboneError(name, f"its weights are incomplete ({missing} ...)", FETCH_AGAIN)
    return model


def load_tokenizer(name: str, folder: Path) -> Any:
    """The tokenizer in a folder as transformers reads it for this kind of model, padding on the right.

    Raises BackboneError.
    """
    _refuse_damaged_tokenizer(name, folder)
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except ImportError as error:
            what = "its tokenizer is a SentencePiece file, and the packages that read it are not installed"
            raise BackboneError(name, what, "pip install openmov[sentencepiece]") from error
        except _TOKENIZER_ERRORS as error:
            raise BackboneError(name, "its tokenizer cannot be loaded", FETCH_AGAIN) from error
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_tokenizer_json(name: str, folder: Path) -> Any:
    """tokenizer.json of a folder just as it stands, padding on the right. Raises BackboneError."""
    _refuse_damaged_tokenizer(name, folder)
    with quiet():
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        except _TOKENIZER_ERRORS as error:
            raise BackboneError(name, "its tokenizer cannot be loaded", FETCH_AGAIN) from error
    tokenizer.padding_side = "right"
    return tokenizer


def _refuse_damaged_tokenizer(name: str, folder: Path) -> None:
    if (folder / "tokenizer.json").is_file():
        try:
            Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises nothing narrower
            raise BackboneError(name, "its tokenizer cannot be loaded", FETCH_AGAIN) from error


def refuse_ids_beyond(name: str, tokens: Int[Tensor, "sentences tokens"], vocabulary: int) -> None:
    """Raises BackboneError for ids that the text tower has no vector for: the tokenizer is another model's."""
    largest = int(tokens.max()) if tokens.numel() else 0
    if largest >= vocabulary:
        what = f"its tokenizer gives the id {largest}, and its text tower knows {vocabulary}"
        raise BackboneError(name, what, "put the model's own tokenizer beside its weights")


def shortened(sentence: str) -> str:
    """As errors show a sentence."""
    return sentence if len(sentence) <= 60 else f"{sentence[:57]}..."


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' progress bar and load report off the terminal: faults are raised, not printed."""
    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
