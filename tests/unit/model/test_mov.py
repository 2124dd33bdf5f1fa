from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openmov.config.schema import ModelConfig
from openmov.errors import CheckpointError, RecipeError
from openmov.model import MOV, build_model
from openmov.model.backbones.clip import CLIPBackbone
from openmov.types import JointEmbeddings, Modality
from tiny_backbones import make_tiny_clip_folder
from tiny_batches import make_batch, rows

V, FL, A = Modality.VIDEO, Modality.FLOW, Modality.AUDIO
EVERY = ("video", "flow", "audio")
Wake = Callable[[nn.Module], None]


def make(backbone: CLIPBackbone, modalities: tuple[str, ...] = EVERY, seed: int = 0, **options: object) -> MOV:
    torch.manual_seed(seed)
    return MOV(backbone, ModelConfig.model_validate({"modalities": modalities, **options}))


@pytest.fixture
def model(backbone: CLIPBackbone, wake: Wake) -> MOV:
    """As after some training: every branch says something."""
    mov = make(backbone)
    wake(mov)
    return mov.eval()


@torch.no_grad()
def ask(model: nn.Module, *modalities: Modality, **options: object) -> JointEmbeddings:
    found: JointEmbeddings = model(make_batch(*(modalities or tuple(Modality)), **options))  # type: ignore[arg-type]
    return found


def differ(a: Tensor, b: Tensor) -> bool:
    return not torch.allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("modalities", [("video", "flow"), ("video", "audio"), EVERY])
@torch.no_grad()
def test_before_training_it_is_frame_averaged_clip_bit_for_bit(
    backbone: CLIPBackbone, modalities: tuple[str, ...]
) -> None:
    batch = make_batch(*map(Modality, modalities), num_frames=3)
    found, h = make(backbone, modalities)(batch), backbone.image_encoder()
    for m in map(Modality, modalities):
        images = batch.inputs[m].flatten(0, 1 if m is A else 2)
        frames = h(images).reshape(3, -1, backbone.dim)
        assert torch.equal(found.fused[m], frames.mean(dim=1))
        if m is V:
            torch.testing.assert_close(found.frozen, F.normalize(frames, dim=-1).mean(dim=1))
    assert set(found.fused) == set(map(Modality, modalities))


@torch.no_grad()
def test_perturbing_phi_v_never_changes_x_m(model: MOV) -> None:
    before = ask(model)
    for weight in model.heads["video"].parameters():
        weight.add_(torch.randn_like(weight))
    after = ask(model)
    assert torch.equal(after.fused[FL], before.fused[FL])
    assert torch.equal(after.fused[A], before.fused[A])
    assert differ(after.fused[V], before.fused[V])


@pytest.mark.parametrize("extra", [FL, A])
@torch.no_grad()
def test_perturbing_an_extra_encoder_changes_v_m_and_no_other_extra(model: MOV, extra: Modality) -> None:
    before = ask(model)
    for weight in model.encoders[extra.value].parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    after = ask(model)
    other = A if extra is FL else FL
    assert differ(after.fused[extra], before.fused[extra])
    assert differ(after.fused[V], before.fused[V])
    assert torch.equal(after.fused[other], before.fused[other])
    assert torch.equal(after.frozen, before.frozen)


def test_the_video_loss_reaches_the_extra_encoders_and_never_the_frozen_one(model: MOV) -> None:
    model.train()
    found = model(make_batch(*Modality))
    found.fused[V].square().sum().backward()
    for extra in ("flow", "audio"):
        gradient = model.encoders[extra].encoder.embeddings.patch_embedding.weight.grad
        assert gradient is not None
        assert gradient.abs().sum() > 0
        assert all(weight.grad is None for weight in model.fuse.from_video[extra].parameters())
    for weight in model.encoders["video"].parameters():
        assert not weight.requires_grad
        assert weight.grad is None
    assert not model.encoders["video"].training
    assert model.encoders["flow"].training


def test_a_training_step_leaves_the_frozen_encoder_bit_identical(model: MOV) -> None:
    model.train()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    sum(x.sum() for x in model(make_batch(*Modality)).fused.values()).backward()
    optimizer.step()
    same = {name for name, weight in model.named_parameters() if torch.equal(weight, before[name])}
    frozen = {name for name in before if name.startswith("encoders.video.")}
    assert frozen <= same
    assert len(same - frozen) < 0.1 * len(before)


@pytest.mark.parametrize("poison", [1e6, float("nan")])
@pytest.mark.parametrize("lacking", list(Modality))
def test_what_stands_for_a_missing_modality_changes_nothing(model: MOV, lacking: Modality, poison: float) -> None:
    clean = ask(model, absent={lacking: [1]})
    poisoned = ask(model, absent={lacking: [1]}, absent_value=poison)
    for modality in Modality:
        keep = clean.present[modality]
        assert torch.equal(poisoned.fused[modality][keep], clean.fused[modality][keep])
    assert clean.present[lacking].tolist() == [True, False, True]


@pytest.mark.parametrize("lacking", list(Modality))
def test_a_missing_modality_leaves_the_others_answer_unchanged(model: MOV, lacking: Modality) -> None:
    """A row that lacks it is answered as in a batch where nobody has it, and the other rows as if all had it."""
    mixed, whole = ask(model, absent={lacking: [1]}), ask(model)
    without = ask(model, *(set(Modality) - {lacking}))
    assert set(without.fused) == set(without.present) == set(Modality) - {lacking}
    for modality in without.fused:
        torch.testing.assert_close(mixed.fused[modality][1], without.fused[modality][1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mixed.fused[modality][::2], whole.fused[modality][::2], atol=1e-5, rtol=1e-5)
    affected = FL if lacking is V else V
    assert differ(whole.fused[affected][1], mixed.fused[affected][1])
    assert (without.frozen is None) == (lacking is V)


def test_gradients_stay_finite_where_a_modality_is_missing_and_poisoned(model: MOV) -> None:
    batch = make_batch(*Modality, absent={FL: [0], A: [0, 1, 2], V: [2]}, absent_value=float("nan"))
    found = model.train()(batch)
    sum(x[found.present[m]].sum() for m, x in found.fused.items()).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert len(gradients) > 50
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_neither_order_nor_company_matters(model: MOV) -> None:
    batch = make_batch(*Modality, size=4)
    with torch.no_grad():
        whole, turned, alone = model(batch), model(rows(batch, 3, 2, 1, 0)), model(rows(batch, 2))
    for modality in Modality:
        torch.testing.assert_close(turned.fused[modality].flip(0), whole.fused[modality], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.fused[modality][0], whole.fused[modality][2], atol=1e-5, rtol=1e-5)


def test_views_become_rows_beside_each_other(model: MOV) -> None:
    batch = make_batch(*Modality, size=2, views=3, absent={FL: [0]})
    with torch.no_grad():
        found = model(batch)
        view = {m: x[:, 1:2] for m, x in batch.inputs.items()}
        second = model(replace(batch, inputs=view))
    assert found.fused[V].shape == (6, 32)
    assert found.present[FL].tolist() == [False] * 3 + [True] * 3
    for modality in Modality:
        torch.testing.assert_close(found.fused[modality][1::3], second.fused[modality], atol=1e-5, rtol=1e-5)


def test_views_must_pair_up(model: MOV) -> None:
    batch = make_batch(*Modality, views=2)
    unpaired = replace(batch, inputs={**batch.inputs, A: batch.inputs[A][:, :1]})
    with pytest.raises(ValueError, match=r"different numbers of views: \[1, 2\]"):
        model(unpaired)


def test_stored_embeddings_stand_for_the_video(backbone: CLIPBackbone, model: MOV) -> None:
    batch = make_batch(*Modality, views=2)
    with torch.no_grad():
        images = batch.inputs[V].flatten(0, 2)
        stored = backbone.image_encoder()(images).reshape(3, 2, 2, 32)
        extras = {m: x for m, x in batch.inputs.items() if m is not V}
        live, found = model(batch), model(replace(batch, inputs=extras, frozen=stored))
    for modality in Modality:
        torch.testing.assert_close(found.fused[modality], live.fused[modality], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.frozen, live.frozen, atol=1e-5, rtol=1e-5)


def test_without_a_video_encoder_only_stored_embeddings_will_do(backbone: CLIPBackbone) -> None:
    mov = MOV(backbone, ModelConfig(), with_video_encoder=False)
    assert list(mov.encoders) == ["flow"]
    batch = make_batch(FL)
    stored = replace(batch, present={V: batch.present[FL], **batch.present}, frozen=torch.randn(3, 1, 2, 32))
    assert torch.equal(mov(stored).fused[V], stored.frozen[:, 0].mean(dim=1))
    with pytest.raises(ValueError, match="built without a video encoder"):
        mov(make_batch(V, FL))


def test_modalities_of_the_batch_beyond_the_models_are_ignored(backbone: CLIPBackbone) -> None:
    mov = make(backbone, ("video", "flow"))
    assert set(ask(mov).fused) == {V, FL}


def test_chunks_change_nothing(backbone: CLIPBackbone) -> None:
    whole, chunked = make(backbone), MOV(backbone, ModelConfig(modalities=EVERY), encoder_chunk=2)
    chunked.load_state_dict(whole.state_dict())
    for modality, fused in ask(whole, num_frames=5).fused.items():
        torch.testing.assert_close(ask(chunked, num_frames=5).fused[modality], fused, atol=1e-5, rtol=1e-5)


def test_bfloat16_autocast_gives_single_precision_nearby(model: MOV) -> None:
    plain = ask(model)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = ask(model)
        trained = model.train()(make_batch(*Modality))
    for modality in Modality:
        assert rounded.fused[modality].dtype == torch.float32
        closeness = F.cosine_similarity(rounded.fused[modality], plain.fused[modality])
        assert 0.99 < closeness.min() < closeness.max() < 1
    sum(x.sum() for x in trained.fused.values()).backward()
    assert model.encoders["flow"].encoder.blocks[0].mlp.fc1.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(("count", "blocks"), [(1, {2}), (2, {1, 2}), (3, {0, 1, 2}), ("all", {0, 1, 2})])
def test_only_the_last_layers_of_the_extra_encoders_are_trained_state(
    backbone: CLIPBackbone, count: int | str, blocks: set[int]
) -> None:
    names = make(backbone, trainable_layers=count).trained_state().keys()
    for extra in ("flow", "audio"):
        mine = {name.removeprefix(f"encoders.{extra}.encoder.") for name in names if f"encoders.{extra}." in name}
        assert {int(name.split(".")[1]) for name in mine if name.startswith("blocks.")} == blocks
        assert any(name.startswith("embeddings.") for name in mine) == (count == "all")
        assert {"projection.weight", "post_norm.weight"} <= mine
    assert not any(name.startswith("encoders.video.") for name in names)
    assert {name.split(".")[0] for name in names} == {"encoders", "heads", "fuse"}


def test_trained_state_brings_another_model_to_the_same_answers(backbone: CLIPBackbone, model: MOV) -> None:
    other = make(backbone, seed=1).eval()
    assert differ(ask(other).fused[V], ask(model).fused[V])
    other.load_trained_state({name: weight.clone() for name, weight in model.trained_state().items()})
    for modality in Modality:
        assert torch.equal(ask(other).fused[modality], ask(model).fused[modality])


def test_trained_state_of_another_model_is_refused_whole(backbone: CLIPBackbone, model: MOV) -> None:
    other = make(backbone, ("video", "flow"), seed=1)
    before = {name: weight.clone() for name, weight in other.trained_state().items()}
    with pytest.raises(CheckpointError, match="belong to another model"):
        other.load_trained_state(model.trained_state())
    narrow = {name: weight[:1] for name, weight in other.trained_state().items()}
    with pytest.raises(CheckpointError, match="belong to another model"):
        other.load_trained_state(narrow)
    assert all(torch.equal(weight, before[name]) for name, weight in other.trained_state().items())


def test_new_layers_take_the_backbones_heads_or_the_recipes(backbone: CLIPBackbone) -> None:
    assert make(backbone).heads["flow"].layers[0].attention.num_heads == 2
    assert make(backbone, num_heads=8).fuse.into_video["flow"].attention.num_heads == 8
    with pytest.raises(RecipeError, match="num_heads: 5 does not divide the backbone's 32"):
        make(backbone, num_heads=5)


def test_a_patch_that_does_not_divide_the_spectrogram(tmp_path: Path) -> None:
    backbone = CLIPBackbone.load(str(make_tiny_clip_folder(tmp_path, image_size=28, patch_size=14)))
    found = ask(make(backbone), image_size=28, spectrogram=(16, 40))
    assert found.fused[A].shape == (3, 32)


def test_learned_positions_see_the_order_of_frames(backbone: CLIPBackbone, wake: Wake) -> None:
    torch.manual_seed(0)
    config = ModelConfig(positions="learned")
    seeing, blind = build_model(backbone, config, num_frames=4), make(backbone, ("video", "flow"))
    batch = make_batch(V, FL, num_frames=4)
    backwards = replace(batch, inputs={m: x.flip(2) for m, x in batch.inputs.items()})
    for mov, sees in ((seeing, True), (blind, False)):
        wake(mov)
        with torch.no_grad():
            assert differ(mov(batch).fused[V], mov(backwards).fused[V]) == sees


def test_fewer_than_two_modalities_are_no_fusion(backbone: CLIPBackbone) -> None:
    with pytest.raises(ValueError, match="MOV fuses video with flow, audio or both"):
        make(backbone, ("video",))
