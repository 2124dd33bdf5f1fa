"""ConSE by hand: known probabilities give known convex combinations, and gradient comes through."""

import pytest
import torch
from torch import Tensor, nn

from openmov.config.schema import BackboneConfig
from openmov.errors import BackboneError
from openmov.model.backbones import Backbone, load_backbone
from openmov.model.backbones.conse import ConSEBackbone, ConSEImageEncoder, kept_probabilities
from openmov.model.backbones.efficientnet_lite import EfficientNetLite2
from openmov.model.encoders import FrozenFrameEncoder, train_last_layers


class ThreeClasses(EfficientNetLite2):
    """A classifier whose logits are the mean colour of the picture."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.blocks = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.head, self.classifier = nn.Identity(), nn.Linear(3, 3)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.eye(3))
            self.classifier.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(images.mean(dim=(2, 3)))
        return logits


def picture_of(*probabilities: float) -> Tensor:
    """That ThreeClasses gives these probabilities."""
    return torch.tensor(probabilities).log()[None, :, None, None].expand(1, 3, 4, 6)


NAMES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


@pytest.fixture
def encoder() -> ConSEImageEncoder:
    return ConSEImageEncoder(ThreeClasses(), NAMES)


def test_an_embedding_is_the_mean_of_the_names_by_probability(encoder: ConSEImageEncoder) -> None:
    found = encoder(picture_of(0.5, 0.3, 0.2))
    torch.testing.assert_close(found, torch.tensor([[0.5 + 0.2 * 0.6, 0.3 + 0.2 * 0.8]]))


def test_only_the_likeliest_count_and_sum_to_one(encoder: ConSEImageEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmov.model.backbones.conse.KEPT_CLASSES", 2)
    found = encoder(picture_of(0.5, 0.3, 0.2))
    torch.testing.assert_close(found, torch.tensor([[0.5 / 0.8, 0.3 / 0.8]]))


def test_a_certain_classifier_gives_the_name_itself(encoder: ConSEImageEncoder) -> None:
    torch.testing.assert_close(encoder(picture_of(1e-9, 1e-9, 1.0)), NAMES[2:])


def test_gradient_reaches_the_pixels_and_every_weight(encoder: ConSEImageEncoder) -> None:
    """Of the embedding's first number with respect to the logits: p_i (s_i - e)."""
    images = picture_of(0.5, 0.3, 0.2).clone().requires_grad_()
    embedding = encoder(images)
    embedding[0, 0].backward()  # type: ignore[no-untyped-call]
    expected = torch.tensor([0.5, 0.3, 0.2]) * (NAMES[:, 0] - embedding[0, 0].detach())
    assert images.grad is not None
    torch.testing.assert_close(images.grad.sum(dim=(2, 3))[0], expected)
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())


def test_ten_are_kept_of_many() -> None:
    torch.manual_seed(0)
    kept = kept_probabilities(torch.randn(4, 1000))
    assert (kept > 0).sum(dim=-1).tolist() == [10] * 4
    torch.testing.assert_close(kept.sum(dim=-1), torch.ones(4))


class TestBackbone:
    def test_it_is_one(self, conse: ConSEBackbone) -> None:
        assert isinstance(conse, Backbone)
        assert isinstance(load_backbone(BackboneConfig(name="conse")), ConSEBackbone)
        assert (conse.name, conse.dim, conse.patch_size, conse.image_size) == ("conse", 384, 1, 260)
        assert conse.dim % conse.num_heads == 0

    def test_its_identity_is_that_of_the_pinned_files(self, conse: ConSEBackbone) -> None:
        """A change of weights, names, preprocessing or recipe changes it, and every cache key with it."""
        assert conse.identity == "4671983c5222f5c4"

    def test_any_picture_size_goes(self, conse: ConSEBackbone) -> None:
        encoder = conse.image_encoder()
        with torch.no_grad():
            for height, width in ((128, 800), (64, 64), (65, 33)):
                assert encoder(torch.zeros(1, 3, height, width)).shape == (1, 384)

    def test_copies_are_fresh_and_trainable(self, conse: ConSEBackbone) -> None:
        one, other = conse.image_encoder(), conse.image_encoder()
        assert all(weight.requires_grad and weight.is_contiguous() for weight in one.parameters())
        with torch.no_grad():
            for weight in one.parameters():
                weight.zero_()
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(other(images), conse.image_encoder()(images), rtol=0, atol=0)

    def test_layers_from_the_last_hold_every_weight_but_the_stem(self, conse: ConSEBackbone) -> None:
        encoder = conse.image_encoder()
        layers = encoder.layers_from_last()
        assert len(layers) == 21
        held = {id(weight) for layer in layers for module in layer for weight in module.parameters()}
        missing = {name for name, weight in encoder.named_parameters() if id(weight) not in held}
        assert missing == {"classifier.stem.weight", "classifier.stem.scale", "classifier.stem.shift"}

    def test_one_trained_layer_is_the_last_block_head_classes_and_names(self, conse: ConSEBackbone) -> None:
        encoder = conse.image_encoder()
        train_last_layers(encoder, 1)
        trained = {name.rsplit(".", 1)[0] for name, weight in encoder.named_parameters() if weight.requires_grad}
        last = {f"classifier.blocks.20.{part}" for part in ("expand", "depthwise", "project")}
        assert trained == {*last, "classifier.head", "classifier.classifier", "names"}

    def test_pictures_do_not_touch_each_other_in_training_either(self, conse: ConSEBackbone) -> None:
        encoder = conse.image_encoder().train()
        before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
        torch.manual_seed(0)
        images = torch.randn(3, 3, 64, 64)
        with torch.no_grad():
            together = encoder(images)
            torch.testing.assert_close(encoder(images[:1]), together[:1])
            torch.testing.assert_close(encoder.eval()(images), together, rtol=0, atol=0)
        assert all(torch.equal(buffer, before[name]) for name, buffer in encoder.named_buffers())

    def test_frozen_it_gives_no_gradient(self, conse: ConSEBackbone) -> None:
        frozen = FrozenFrameEncoder(conse.image_encoder(), conse.dim, chunk=2).train()
        assert not frozen(torch.zeros(1, 3, 3, 64, 64)).requires_grad

    def test_half_precision_stays_near(self, conse: ConSEBackbone) -> None:
        encoder = conse.image_encoder()
        torch.manual_seed(0)
        images = torch.rand(2, 3, 260, 260) * 2 - 1
        with torch.no_grad():
            exact = encoder(images)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = encoder(images).float()
        assert torch.nn.functional.cosine_similarity(exact, rounded).min() > 0.98


class TestSentences:
    def test_each_is_independent_of_the_others(self, conse: ConSEBackbone) -> None:
        alone = conse.embed_text(["a video of playing guitar"])
        among = conse.embed_text(["zumba", "a video of playing guitar", "a video of " + "very " * 50 + "long"])
        torch.testing.assert_close(among[1:2], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(among.norm(dim=-1), torch.ones(3))

    def test_none_at_all(self, conse: ConSEBackbone) -> None:
        assert conse.embed_text([]).shape == (0, 384)

    def test_a_sentence_too_long(self, conse: ConSEBackbone) -> None:
        assert conse.embed_text(["word " * 254]).shape == (1, 384)
        with pytest.raises(BackboneError, match="is 257 tokens long, 256 at most fit"):
            conse.embed_text(["word " * 255])

    def test_letters_it_cannot_spell(self, conse: ConSEBackbone) -> None:
        with pytest.raises(BackboneError, match="cannot spell '🎸'"):
            conse.embed_text(["a video of 🎸"])
