"""Networks built for a recipe: what arrives, what is new, and what is said when it does not fit."""

import time

import numpy as np
import pytest
import timm
import torch
from built_networks import SMALL, logits, save, table
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

from vitbench.errors import UserError
from vitbench.models import hub
from vitbench.models.adaptation import state_on_cpu
from vitbench.models.named import find_network
from vitbench.models.network import build_network, open_network
from vitbench.recipe_tables import ModelTable


def test_a_fresh_network_is_timm_s():
    torch.manual_seed(5)
    built = build_network(table(drop_path_rate=0.1), num_classes=7, labels=list("abcdefg"))
    torch.manual_seed(5)
    expected = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=7, drop_path_rate=0.1, **SMALL)
    assert torch.equal(logits(built.module), logits(expected))
    assert built.tag == "random"
    assert "random" in built.source
    assert built.labels == tuple("abcdefg")
    assert built.module.blocks[1].drop_path1.drop_prob == pytest.approx(0.1)


def test_options_of_the_architecture_reach_timm():
    built = build_network(table(options=SMALL | {"patch_size": 8}, image_size=[32, 48]), num_classes=3)
    assert built.backbone.patch_grid(32, 48) == (4, 6)
    assert built.image_size == (32, 48)
    assert (built.preprocessing.height, built.preprocessing.width) == (32, 48)


def test_the_preprocessing_is_timm_s():
    built = build_network(ModelTable(name="timm:vit_small_patch14_reg4_dinov2", image_size=28), num_classes=2)
    assert built.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (built.preprocessing.resize, built.preprocessing.interpolation) == ("crop", "bicubic")
    config = timm.get_pretrained_cfg("vit_small_patch14_reg4_dinov2")
    assert built.preprocessing.crop_fraction == config.crop_pct


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 128)])
def test_a_file_arrives_whole_with_its_positions_resampled(tmp_path, size):
    source = build_network(table(), num_classes=7)
    file = save(source.module, tmp_path)
    built = build_network(table(image_size=list(size), weights=str(file)), num_classes=7)
    expected, state = source.module.state_dict(), built.module.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected if key != "pos_embed")
    grid = size[0] // 16, size[1] // 16
    resampled = resample_abs_pos_embed(expected["pos_embed"], grid, (4, 4), num_prefix_tokens=1)
    assert torch.equal(state["pos_embed"], resampled)
    assert logits(built.module, size).shape == (2, 7)
    assert "model.safetensors" in built.source


def test_a_non_square_file_is_understood_by_the_description_beside_it(tmp_path):
    source = build_network(table(image_size=[64, 128]), num_classes=7)
    file = save(source.module, tmp_path)
    # 4 x 8 patches are neither the network's own 14 x 14 nor a square.
    with pytest.raises(UserError, match=r"1x33x48.*image_size"):
        build_network(table(image_size=64, weights=str(file)), num_classes=7)
    assert build_network(table(image_size=[64, 128], weights=str(file)), num_classes=7).image_size == (64, 128)
    source.write_network_json(tmp_path)
    built = build_network(table(image_size=64, weights=str(file)), num_classes=7)
    expected = resample_abs_pos_embed(source.module.pos_embed, (4, 4), (4, 8), num_prefix_tokens=1)
    assert torch.equal(built.module.pos_embed, expected)


def test_another_class_count_gets_a_new_head_and_keeps_the_rest(tmp_path):
    source = build_network(table(), num_classes=7)
    file = save(source.module, tmp_path)
    built = build_network(table(weights=str(file)), num_classes=300)
    state = built.module.state_dict()
    assert state["head.weight"].shape == (300, 48)
    # As timm draws it: truncated normal, deviation 0.02, no bias.
    assert float(state["head.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert torch.count_nonzero(state["head.bias"]) == 0
    expected = source.module.state_dict()
    assert all(torch.equal(state[key], expected[key]) for key in expected if not key.startswith("head"))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("timm:deit_tiny_distilled_patch16_224", ("head.weight", "head_dist.weight")),
        ("timm:eva02_tiny_patch14_224", ("head.weight",)),
        ("timm:beit_base_patch16_224", ("head.weight",)),
        ("timm:vit_relpos_small_patch16_224", ("head.weight",)),
        ("timm:vit_base_patch16_siglip_224", ("head.weight",)),
    ],
)
def test_each_family_goes_to_another_size_and_head(tmp_path, name, changed):
    patch = 14 if "14" in name else 16
    source = build_network(table(name=name, image_size=4 * patch), num_classes=7)
    file = save(source.module, tmp_path)
    built = build_network(table(name=name, image_size=[2 * patch, 4 * patch], weights=str(file)), num_classes=5)
    state, expected = built.module.state_dict(), source.module.state_dict()
    for key in expected:
        positional = "pos_embed" in key or "rope" in key or "rel_pos" in key or "relative_position" in key
        if not positional and not key.startswith("head"):
            assert torch.equal(state[key], expected[key]), key
    assert all(state[key].shape[0] == 5 for key in changed)
    assert logits(built.module, (2 * patch, 4 * patch)).shape == (2, 5)


@pytest.mark.parametrize(
    "name",
    [
        "timm:vit_tiny_patch16_224",
        "timm:vit_small_patch16_dinov3",
        "timm:eva02_tiny_patch14_224",
        "timm:beit_base_patch16_224",
        "timm:vit_relpos_small_patch16_224",
    ],
)
def test_a_network_set_to_a_size_computes_what_one_made_at_that_size_does(tmp_path, name):
    """Buffers that follow from the grid (rotations, offsets) are right, not only the weights."""
    patch = 14 if "14" in name else 16
    file = save(build_network(table(name=name, image_size=4 * patch), num_classes=5).module, tmp_path)
    size = 2 * patch, 6 * patch
    moved = build_network(table(name=name, image_size=list(size), weights=str(file)), num_classes=5)
    made = build_network(table(name=name, image_size=list(size)), num_classes=5)
    made.module.load_state_dict(moved.module.state_dict())
    assert torch.allclose(logits(moved.module, size), logits(made.module, size), atol=1e-6)


def test_bias_tables_are_resampled_once_from_the_size_they_were_trained_at(tmp_path):
    """A loose BEiT file of 96x96 opened at 96x96 is equal to the bit; it never passes through 224."""
    source = build_network(table(name="timm:beit_base_patch16_224", image_size=96), num_classes=5)
    with torch.no_grad():
        for block in source.module.blocks:
            block.attn.relative_position_bias_table.normal_()
    file = save(source.module, tmp_path)
    for asked in (96, None):
        built = build_network(
            ModelTable(name="timm:beit_base_patch16_224", image_size=asked, weights=str(file), options=SMALL),
            num_classes=5,
        )
        assert built.image_size == (96, 96)
        assert torch.equal(logits(built.module, (96, 96)), logits(source.module, (96, 96)))


def test_a_network_of_fixed_positions_loads_at_the_size_of_its_file(tmp_path):
    small = {"embed_dim": 48, "depth": 1, "depth_token_only": 1, "num_heads": 3}
    name = "timm:cait_xxs24_224"
    source = build_network(table(name=name, image_size=64, options=small), num_classes=5)
    file = str(save(source.module, tmp_path))
    built = build_network(table(name=name, image_size=64, options=small, weights=file), num_classes=5)
    assert torch.equal(logits(built.module), logits(source.module))
    with pytest.raises(UserError, match="1x16x48"):
        build_network(table(name=name, image_size=96, options=small, weights=file), num_classes=5)


@pytest.mark.parametrize("name", ["timm:eva02_tiny_patch14_224", "timm:beit_base_patch16_224"])
def test_a_new_head_has_the_scale_that_timm_gives_it(tmp_path, name):
    torch.manual_seed(0)
    timm_head = timm.create_model(name.removeprefix("timm:"), img_size=28 * 8, num_classes=400, **SMALL).head
    source = build_network(table(name=name, image_size=28 * 8), num_classes=3)
    built = build_network(
        table(name=name, image_size=28 * 8, weights=str(save(source.module, tmp_path))), num_classes=400
    )
    assert float(built.module.head.weight.detach().std()) == pytest.approx(
        float(timm_head.weight.detach().std()), rel=0.05
    )


def test_a_convolutional_network_trains_from_a_file_at_any_size(tmp_path):
    source = build_network(ModelTable(name="timm:resnet10t", image_size=32), num_classes=4)
    file = save(source.module, tmp_path)
    built = build_network(ModelTable(name="timm:resnet10t", image_size=[64, 32], weights=str(file)), num_classes=4)
    assert torch.equal(logits(built.module, (32, 32)), logits(source.module, (32, 32)))
    assert built.image_size == (64, 32)
    assert "not a sequence of transformer blocks" in built.backbone.refusal


def test_an_original_jax_file_is_converted(tmp_path):
    """The names and shapes of Google's ViT checkpoints: kernels are [in, out], attention is split by head."""
    generator = np.random.default_rng(0)

    def values(*shape):
        return generator.normal(size=shape).astype(np.float32) * 0.05

    weights = {
        "cls": values(1, 1, 48),
        "embedding/kernel": values(16, 16, 3, 48),
        "embedding/bias": values(48),
        "Transformer/posembed_input/pos_embedding": values(1, 17, 48),
        "Transformer/encoder_norm/scale": values(48),
        "Transformer/encoder_norm/bias": values(48),
        "head/kernel": values(48, 1000),
        "head/bias": values(1000),
    }
    for block in range(2):
        start = f"Transformer/encoderblock_{block}"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            weights |= {f"{start}/{norm}/scale": values(48), f"{start}/{norm}/bias": values(48)}
        attention = f"{start}/MultiHeadDotProductAttention_1"
        for part in ("query", "key", "value"):
            weights |= {f"{attention}/{part}/kernel": values(48, 3, 16), f"{attention}/{part}/bias": values(3, 16)}
        weights |= {f"{attention}/out/kernel": values(3, 16, 48), f"{attention}/out/bias": values(48)}
        for number, (wide, narrow) in enumerate([(48, 192), (192, 48)]):
            weights |= {
                f"{start}/MlpBlock_3/Dense_{number}/kernel": values(wide, narrow),
                f"{start}/MlpBlock_3/Dense_{number}/bias": values(narrow),
            }
    file = tmp_path / "jax.npz"
    np.savez(file, **weights)
    module = build_network(table(weights=str(file)), num_classes=1000).module
    mlp = weights["Transformer/encoderblock_1/MlpBlock_3/Dense_0/kernel"]
    assert np.array_equal(module.blocks[1].mlp.fc1.weight.detach().numpy(), mlp.T)
    query = weights["Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel"]
    assert np.array_equal(module.blocks[0].attn.qkv.weight[:48].detach().numpy(), query.reshape(48, 48).T)
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(UserError, match="does not fit"):
        build_network(table(weights=str(tmp_path / "other.npz")), num_classes=7)


def test_every_mismatch_is_one_sentence_with_the_keys(tmp_path):
    file = str(save(build_network(table(), num_classes=7).module, tmp_path))
    with pytest.raises(UserError, match=r"lacks blocks\.2\.norm1\.weight.* more"):
        build_network(table(weights=file, options=SMALL | {"depth": 3}), num_classes=7)
    with pytest.raises(UserError, match=r"no place for blocks\.1\.attn\.proj\.bias"):
        build_network(table(weights=file, options=SMALL | {"depth": 1}), num_classes=7)
    with pytest.raises(UserError, match=r"shapes differ: .*48.*needed"):
        build_network(table(weights=file, options=SMALL | {"embed_dim": 96}), num_classes=7)
    with pytest.raises(UserError, match="does not fit"):
        build_network(ModelTable(name="timm:resnet10t", weights=file), num_classes=7)
    with pytest.raises(UserError, match="no weight file"):
        build_network(table(weights=str(tmp_path / "none.pth")), num_classes=7)


def test_a_family_that_loads_leniently_is_never_left_random(tmp_path):
    """timm loads SigLIP without its pool leniently; a file of something else must not pass in silence."""
    name = "timm:vit_base_patch16_siglip_gap_224"
    save_file({"unrelated.weight": torch.randn(4, 4)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="does not fit"):
        build_network(table(name=name, weights=str(tmp_path / "a.safetensors")), num_classes=7)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "timm:vit_tiny_patch16_22"}, "did you mean vit_tiny_patch16_224"),
        ({"name": "timm:vit_tiny_patch16_224.nope"}, "it has augreg_in21k, augreg"),
        ({"name": "hub:x"}, "timm:NAME"),
        ({"name": "pretrained_vit:C_3"}, "B_16_imagenet1k"),
        ({"image_size": 65}, "64x64 would be"),
        ({"image_size": [64, 8]}, "64x16 would be"),
        ({"options": {"embed_dimm": 3}}, "'embed_dimm'"),
        ({"options": {"embed_dim": 50, "num_heads": 3}}, "cannot be made"),
        ({"options": {"head": "ones"}}, "zero"),
        ({"name": "timm:cait_xxs24_224", "options": {}, "weights": "W", "image_size": 64}, "do not fit"),
        ({"options": {"embed_dim": -48}}, "cannot be made"),
        ({"options": {"img_size": 32}}, "set model.image_size"),
        ({"options": {"checkpoint_path": "x.pth"}}, "set model.weights"),
        ({"options": {"size": 3}}, "set model.image_size"),
        ({"freeze": 9}, "0 to 2"),
    ],
)
def test_a_person_s_mistakes_are_answered(tmp_path, values, why):
    if "weights" in values:
        values = values | {"weights": str(save(build_network(table(), num_classes=7).module, tmp_path))}
    with pytest.raises(UserError, match=why) as caught:
        build_network(table(**values), num_classes=7)
    assert "\n" not in str(caught.value)


def test_without_network_and_without_file_the_answer_is_quick_and_says_both_ways_out(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("timm:vit_tiny_patch16_224", "pretrained_vit:B_16", "timm:vit_base_patch16_siglip_224"):
        started = time.monotonic()
        with pytest.raises(UserError) as caught:
            build_network(ModelTable(name=name, pretrained=True), num_classes=7)
        assert time.monotonic() - started < 5
        assert "model.weights to a file" in str(caught.value)
        assert "model.pretrained to false" in str(caught.value)
    with pytest.raises(UserError, match="never released"):
        build_network(ModelTable(name="pretrained_vit:L_16", pretrained=True), num_classes=7)
    with pytest.raises(UserError, match="no published weights"):
        build_network(ModelTable(name="timm:vit_small_patch16_36x1_224", pretrained=True), num_classes=7)


def test_an_unreachable_host_is_found_out_before_the_loaders_try(monkeypatch):
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "getproxies", dict)
    with pytest.raises(UserError, match="cannot be downloaded"):
        hub.check_reachable("weights.invalid", "timm:x")


def test_published_weights_in_the_hub_s_cache_are_used_without_network(monkeypatch, tmp_path):
    torch.manual_seed(2)
    source = timm.create_model("test_vit", num_classes=1000)
    config = timm.get_pretrained_cfg("test_vit")
    repository = tmp_path / f"models--{config.hf_hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    save_file(state_on_cpu(source), repository / "snapshots" / "abc" / "model.safetensors")
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    opened = open_network("timm:test_vit")
    assert torch.equal(logits(opened.module, (160, 160)), logits(source, (160, 160)))
    assert opened.tag == config.tag
    assert opened.labels[:2] == ("tench", "goldfish")
    built = build_network(ModelTable(name="timm:test_vit", pretrained=True, image_size=[96, 64]), num_classes=3)
    assert logits(built.module, (96, 64)).shape == (2, 3)
    assert built.labels is None


@pytest.mark.slow
def test_the_table_of_addresses_is_read_without_unpickling(monkeypatch, tmp_path):
    """`pretrained_vit` with `pretrained = true`, the download replaced at the boundary."""
    fetched = []

    def fetch(url, file, progress):
        fetched.append(url)
        module = timm.create_model("vit_base_patch32_224", num_classes=1000, img_size=384)
        torch.save(network_state(module), file)

    def network_state(module):
        from vitbench.models.pretrained_vit import to_pretrained_vit_state

        return to_pretrained_vit_state(module)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("vitbench.models.named.download_url_to_file", fetch)
    monkeypatch.setattr("vitbench.models.named.check_reachable", lambda host, reference: None)
    opened = open_network("pretrained_vit:B_32_imagenet1k")
    assert fetched[0].endswith("B_32_imagenet1k.pth")
    assert (opened.tag, opened.num_classes, opened.image_size) == ("B_32_imagenet1k", 1000, (384, 384))
    assert opened.labels[0] == "tench"
    open_network("pretrained_vit:B_32_imagenet1k")
    assert len(fetched) == 1


def test_beit_s_pretraining_shares_one_bias_and_its_other_head_is_named(tmp_path):
    whole = {**SMALL, "use_shared_rel_pos_bias": True, "use_rel_pos_bias": False, "global_pool": "token"}
    module = timm.create_model("beit_base_patch16_224", num_classes=0, **whole)
    width = module.embed_dim
    training = {"mask_token": torch.zeros(1, 1, width), "lm_head.weight": torch.zeros(9, width)}
    training["cls_pt_layers.0.norm1.weight"] = torch.ones(width)
    save_file({**module.state_dict(), **training}, tmp_path / "w.safetensors")
    found = find_network("timm:beit_base_patch16_224").from_file(tmp_path / "w.safetensors", None, SMALL)
    assert any("cls_pt_layers.0.norm1.weight, lm_head.weight, mask_token" in note for note in found.notes)
    assert any("share one bias" in note for note in found.notes)
    torch.testing.assert_close(
        found.module.rel_pos_bias.relative_position_bias_table, module.rel_pos_bias.relative_position_bias_table
    )
