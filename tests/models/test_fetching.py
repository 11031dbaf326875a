"""`vitbench fetch`, with the hub replaced at its boundary."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.models import fetching
from vitbench.models.fetching import fetch

NAME = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one repository; what was downloaded is listed in the order of the requests."""
    requested = []

    def download(repository, name, revision=None):
        requested.append((repository, name))
        file = tmp_path / name
        file.write_bytes(b"w" * 1500)
        return str(file)

    monkeypatch.setattr(
        huggingface_hub, "list_repo_files", lambda *a, **k: ["README.md", "config.json", "model.safetensors"]
    )
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(fetching, "check_reachable", lambda host, reference: None)
    monkeypatch.setattr(fetching, "cached_on_hub", lambda *a: None)
    return requested


def test_weights_and_their_settings_are_fetched(hub, capsys):
    assert main(["fetch", f"timm:{NAME}", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert hub == [(f"timm/{NAME}", "model.safetensors"), (f"timm/{NAME}", "config.json")]
    assert document["size"] == 1500
    assert document["licence"] == "apache-2.0"
    assert not document["was_here"]
    assert Path(document["file"]).name == "model.safetensors"


def test_what_is_here_is_not_fetched_again(hub, tmp_path, monkeypatch, capsys):
    (tmp_path / "here.safetensors").write_bytes(b"w" * 10)
    monkeypatch.setattr(fetching, "cached_on_hub", lambda *a: tmp_path / "here.safetensors")
    assert main(["fetch", NAME]) == 0
    assert "was here already: 10 bytes, licence apache-2.0" in capsys.readouterr().out
    assert hub == []


def test_gated_weights_say_what_they_need(hub, monkeypatch):
    answer = SimpleNamespace(headers={}, request=None)

    def refuse(*a, **k):
        raise GatedRepoError("gated", response=answer)

    monkeypatch.setattr(huggingface_hub, "list_repo_files", refuse)
    with pytest.raises(UserError, match="accept it with your account, log in here with `hf auth login`"):
        fetch(f"timm:{NAME}")


def test_one_that_is_not_to_be_had_does_not_stop_the_others(hub, capsys):
    assert main(["fetch", "timm:vit_nowhere", f"timm:{NAME}"]) == 2
    printed = capsys.readouterr()
    assert "timm has no network 'vit_nowhere'" in printed.err
    assert f"timm:{NAME} is here now" in printed.out


def test_networks_without_published_weights_are_named():
    with pytest.raises(UserError, match="never released"):
        fetch("pretrained_vit:L_16")
