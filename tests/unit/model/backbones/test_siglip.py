import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.base import TextEncoder, TrainableText
from openmov.model.backbones.siglip import SigLIPBackbone
from tiny_backbones import gemma_tokenizer, letter_tokenizer, make_tiny_siglip_folder


def test_what_it_is(tmp_path: Path) -> None:
    backbone = load_backbone(BackboneConfig(name=str(make_tiny_siglip_folder(tmp_path))))
    assert isinstance(backbone, Backbone)
    assert (backbone.family, backbone.dim, backbone.image_size, backbone.patch_size) == ("SigLIP", 32, 32, 8)
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    assert (backbone.preprocessing.resize, backbone.preprocessing.interpolation) == ("squash", "bicubic")
    assert backbone.tau_x == backbone.temperature == pytest.approx(0.05)
    assert backbone.tau_v == pytest.approx(0.015)


def test_naflex_sees_squares_undistorted(tmp_path: Path) -> None:
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path, kind="naflex", image_size=48)))
    assert (backbone.image_size, backbone.preprocessing.resize) == (48, "shortest")


def test_a_sentence_does_not_depend_on_those_beside_it(tmp_path: Path) -> None:
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path)))
    together = backbone.embed_text(["moon", "a photo of a person doing something", "moon"])
    assert torch.equal(together[0], together[2])
    torch.testing.assert_close(backbone.embed_text(["moon"])[0], together[0], atol=1e-6, rtol=1e-6)
    assert backbone.embed_text([]).shape == (0, 32)


def test_a_sentence_fills_the_text_tower_at_most(tmp_path: Path) -> None:
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path, max_positions=8)))
    assert backbone.embed_text(["moon " * 7]).shape == (1, 32)
    with pytest.raises(BackboneError, match="is 9 tokens long, 8 at most fit; shorten the class name"):
        backbone.embed_text(["moon", "moon " * 8])


def test_letters_that_it_does_not_know(tmp_path: Path) -> None:
    one = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path / "1")))
    with pytest.raises(BackboneError, match="does not know all letters of '狮子 moon'"):
        one.embed_text(["moon", "狮子 moon"])
    two = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path / "2", kind="siglip2")))
    assert two.embed_text(["狮子"]).isfinite().all()  # it spells them in bytes


def test_an_end_that_the_tokenizer_leaves_out_is_put_there(tmp_path: Path) -> None:
    backbone = SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path, kind="siglip2")))
    before = backbone.embed_text(["moon"])
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text()) | {"post_processor": None}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    torch.testing.assert_close(SigLIPBackbone.load(str(tmp_path)).embed_text(["moon"]), before)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> SigLIPBackbone:
    return SigLIPBackbone.load(str(make_tiny_siglip_folder(tmp_path_factory.mktemp("siglip"), max_positions=16)))


def test_its_text_tower_trains(backbone: SigLIPBackbone) -> None:
    assert isinstance(backbone, TrainableText)
    encoder = backbone.text_encoder()
    assert isinstance(encoder, TextEncoder)
    found = encoder(["a moon", "the person"])
    torch.testing.assert_close(found.detach(), backbone.embed_text(["a moon", "the person"]), atol=1e-6, rtol=1e-5)
    found.sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())
    assert not any(weight.requires_grad for weight in backbone._model.parameters())


def test_learned_words_that_are_words_make_their_sentence(backbone: SigLIPBackbone) -> None:
    encoder = backbone.text_encoder()
    context = encoder.words("the person")
    assert context.shape == (2, encoder.width)
    found = encoder.with_context(context, ["moving", "moon"])
    expected = encoder(["the person moving", "the person moon"])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    with pytest.raises(BackboneError, match="takes 16 tokens, and the longest name is 17 long with its context"):
        encoder.with_context(context, ["moon " * 14])


def _change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    for key, value in values.items():
        part, _, name = key.partition("__")
        config[part][name] = value
    (folder / "config.json").write_text(json.dumps(config))


def _other_tokenizer(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: _change(folder, vision_config__vision_use_head=False), "has no attention pooling"),
        (lambda folder: _change(folder, vision_config__hidden_size=64), "its weights do not fit its config.json"),
        (lambda folder: _change(folder, text_config__num_hidden_layers=3), "its weights are incomplete"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "holds no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"model": {}}'), "its tokenizer cannot be loaded"),
        (lambda folder: _other_tokenizer(folder, gemma_tokenizer()), "gives the id 3.., and its text tower knows 71"),
    ],
)
def test_a_folder_that_is_not_usable_is_refused(tmp_path: Path, change: object, message: str) -> None:
    make_tiny_siglip_folder(tmp_path)
    SigLIPBackbone.load(str(tmp_path))
    change(tmp_path)  # type: ignore[operator]
    with pytest.raises(BackboneError, match=message) as raised:
        SigLIPBackbone.load(str(tmp_path)).embed_text(["a photo of STARS"])
    assert "\n" not in str(raised.value)


def test_sentencepieces_own_file(tmp_path: Path) -> None:
    """Older revisions hold spiece.model alone: transformers reads it, and SentencePiece itself is the judge.

    Google's file is in no package; the one here has its layout, and the words of a few sentences.
    """
    sentencepiece = pytest.importorskip("sentencepiece")
    sentences = ["a photo of a star", "the person moving up", "a heart growing", "playing the violin 7 times"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=60,
        hard_vocab_limit=False,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    judge = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    folder = make_tiny_siglip_folder(tmp_path / "siglip")
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes((tmp_path / "spiece.model").read_bytes())
    named = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({key: named[key] for key in ("eos_token", "tokenizer_class")})
    )
    _change(folder, text_config__vocab_size=len(letter_tokenizer()))
    backbone = SigLIPBackbone.load(str(folder))
    for sentence, clean in (("A photo of a STAR!", "a photo of a star"), ("  the violin,  7 ", "the violin 7")):
        expected = [*judge.encode(clean), 1]
        assert backbone._tokens([sentence])[0].tolist() == expected + [1] * (64 - len(expected))
