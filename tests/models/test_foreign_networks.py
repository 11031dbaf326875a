"""Networks of transformers and torchvision, converted: their outputs equal those of the libraries themselves."""

import json

import pytest
import torch
import torchvision

from vitbench.errors import UserError
from vitbench.models.network import open_network

transformers = pytest.importorskip("transformers")

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
PLAIN = SIZES | {"intermediate_size": 64}
TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 50}


def siglip_with_classes():
    text = TEXT | {"bos_token_id": 1, "eos_token_id": 2}
    return transformers.SiglipForImageClassification(
        transformers.SiglipConfig(vision_config=PLAIN, text_config=text, num_labels=5)
    )


MODELS = {
    "vit": lambda t: t.ViTForImageClassification(t.ViTConfig(num_labels=5, **PLAIN)),
    "vit without head": lambda t: t.ViTModel(t.ViTConfig(**PLAIN)),
    "vit without bias": lambda t: t.ViTForImageClassification(t.ViTConfig(num_labels=5, qkv_bias=False, **PLAIN)),
    "deit": lambda t: t.DeiTForImageClassificationWithTeacher(t.DeiTConfig(num_labels=5, **PLAIN)),
    "deit with one head": lambda t: t.DeiTForImageClassification(t.DeiTConfig(num_labels=5, **PLAIN)),
    "dinov2": lambda t: t.Dinov2Model(t.Dinov2Config(**SIZES)),
    "dinov2 swiglu": lambda t: t.Dinov2Model(t.Dinov2Config(use_swiglu_ffn=True, **SIZES)),
    "dinov2 registers": lambda t: t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**SIZES)),
    "dinov2 classifier": lambda t: t.Dinov2ForImageClassification(t.Dinov2Config(num_labels=5, **SIZES)),
    "dinov2 registers classifier": lambda t: t.Dinov2WithRegistersForImageClassification(
        t.Dinov2WithRegistersConfig(num_labels=5, **SIZES)
    ),
    "dinov3": lambda t: t.DINOv3ViTModel(t.DINOv3ViTConfig(num_register_tokens=4, **PLAIN)),
    "dinov3 gated": lambda t: t.DINOv3ViTModel(
        t.DINOv3ViTConfig(num_register_tokens=4, use_gated_mlp=True, hidden_act="silu", **PLAIN)
    ),
    "vit msn": lambda t: t.ViTMSNForImageClassification(t.ViTMSNConfig(num_labels=5, **PLAIN)),
    "i-jepa": lambda t: t.IJepaForImageClassification(t.IJepaConfig(num_labels=5, **PLAIN)),
    "data2vec": lambda t: t.Data2VecVisionForImageClassification(
        t.Data2VecVisionConfig(num_labels=5, use_relative_position_bias=True, **PLAIN)
    ),
    "siglip": lambda t: t.SiglipVisionModel(t.SiglipVisionConfig(**PLAIN)),
    "siglip classifier": lambda t: siglip_with_classes(),
    "clip": lambda t: t.CLIPVisionModel(t.CLIPVisionConfig(**PLAIN)),
    "beit": lambda t: t.BeitForImageClassification(
        t.BeitConfig(num_labels=5, use_relative_position_bias=True, **PLAIN)
    ),
    "beit absolute": lambda t: t.BeitForImageClassification(
        t.BeitConfig(num_labels=5, use_absolute_position_embeddings=True, use_mean_pooling=False, **PLAIN)
    ),
    "beit shared": lambda t: t.BeitForImageClassification(
        t.BeitConfig(num_labels=5, use_shared_relative_position_bias=True, **PLAIN)
    ),
}


def with_values(model):
    """Weights for which every part of the network matters: fresh ones leave layer scale and biases trivial."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name and "weight" in name else 0.0, 0.3 if parameter.dim() > 1 else 0.1)
    return model.eval()


@pytest.mark.parametrize("kind", MODELS)
def test_outputs_equal_those_of_transformers(kind, tmp_path):
    model = with_values(MODELS[kind](transformers))
    model.save_pretrained(tmp_path)
    network = open_network(str(tmp_path))
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        answer = model(pixel_values=pixels)
        if hasattr(answer, "logits"):
            expected, found = answer.logits, network.module(pixels)
            assert network.num_classes == 5
        elif kind in ("siglip", "clip"):
            # transformers norms the class token, or pools, after its last hidden state.
            expected, found = answer.pooler_output, network.module(pixels)
        else:
            expected, found = answer.last_hidden_state, network.module.forward_features(pixels)
            assert network.no_classes is not None
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_the_encoder_of_mae_opens_without_its_decoder(tmp_path):
    decoder = {"decoder_hidden_size": 32, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
    config = transformers.ViTMAEConfig(mask_ratio=0.0, decoder_intermediate_size=64, **decoder, **PLAIN)
    model = with_values(transformers.ViTMAEForPreTraining(config))
    model.save_pretrained(tmp_path)
    network = open_network(str(tmp_path))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        expected = model.vit(pixel_values=pixels, noise=torch.arange(16.0)[None]).last_hidden_state
        torch.testing.assert_close(network.module.forward_features(pixels), expected, rtol=1e-4, atol=1e-3)
    assert "decoder" in network.source


def test_class_names_and_preprocessing_come_along(tmp_path):
    labels = {number: f"breed {number}" for number in range(5)}
    configuration = transformers.ViTConfig(num_labels=5, id2label=labels, **PLAIN)
    with_values(transformers.ViTForImageClassification(configuration)).save_pretrained(tmp_path)
    said = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said | {"image_mean": [0.1, 0.2, 0.3]}))
    network = open_network(str(tmp_path))
    assert network.labels == tuple(labels.values())
    assert network.preprocessing.interpolation == "bicubic"
    assert network.preprocessing.mean == (0.1, 0.2, 0.3)
    assert "does not say image_std" in network.source


def test_weights_in_several_files(tmp_path):
    model = with_values(MODELS["vit"](transformers))
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    network = open_network(str(tmp_path))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(pixels), model(pixels).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", MODELS)
def test_names_of_a_module_in_memory_are_those_of_its_file(kind, tmp_path):
    """`torch.save(model.state_dict())` writes other names than `save_pretrained` since transformers 5."""
    model = with_values(MODELS[kind](transformers))
    model.save_pretrained(tmp_path)
    saved = open_network(str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert open_network(str(tmp_path)).weights_hash == saved.weights_hash


def test_a_bare_file_of_transformers_opens_under_a_name_of_timm(tmp_path):
    model = with_values(
        transformers.ViTForImageClassification(
            transformers.ViTConfig(num_labels=5, hidden_size=192, num_attention_heads=3, intermediate_size=768)
        )
    )
    torch.save(
        {"state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()}}, tmp_path / "a.ckpt"
    )
    network = open_network(f"timm:vit_tiny_patch16_224@{tmp_path / 'a.ckpt'}")
    pixels = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(pixels), model(pixels).logits, rtol=1e-4, atol=1e-4)
    assert "transformers' ViT" in network.source


def test_outputs_equal_those_of_torchvision(tmp_path):
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(
        image_size=224, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=5
    )
    with_values(model)
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    network = open_network(f"timm:vit_tiny_patch16_224@{tmp_path / 'vit.pth'}")
    pixels = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(pixels), model(pixels), rtol=1e-4, atol=1e-4)


def test_what_a_folder_lacks_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"} | PLAIN))
    with pytest.raises(UserError, match="none of the files with weights"):
        open_network(str(tmp_path))
    with_values(MODELS["vit"](transformers)).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "patch_size": 8}))
    with pytest.raises(UserError, match="does not say what is needed of a vit"):
        open_network(str(tmp_path))


def test_a_shard_never_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "network"
    with_values(MODELS["vit"](transformers)).save_pretrained(folder)
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../outside.safetensors"}}))
    with pytest.raises(UserError, match=r"outside\.safetensors"):
        open_network(str(folder))
