import functools
import http.server
import importlib
import sys
import threading
from pathlib import Path

import pytest
import torch
from features.random_models import save_s3prl

from ambiser.bin import fetch_weights
from ambiser.config.schema import SpeechFeatures
from ambiser.config.yaml_reader import CONF
from ambiser.errors import ConfigError
from ambiser.features.upstreams import weights
from ambiser.features.upstreams.upstream import load_upstream
from ambiser.features.upstreams.weights import find_hugging_face, find_weights, s3prl_address

FAMILIES = ("wavlm", "hubert", "wav2vec2", "data2vec")


@pytest.fixture(scope="module", autouse=True)
def s3prl():
    load_upstream(SpeechFeatures())  # so that s3prl can be imported


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of s3prl."""
    from s3prl.util import download

    monkeypatch.setattr(download, "_download_dir", tmp_path / "cache")
    monkeypatch.setattr(weights, "s3prl_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


class Asked(Exception):
    pass


@pytest.mark.parametrize(
    "name", [*sorted(path.stem for path in (CONF / "ssl").glob("*_*.yaml") if "whisper" not in path.stem), "wavlm"]
)
def test_addresses_are_those_that_s3prl_downloads_from(name, cache, monkeypatch):
    def ask(address, **options):
        raise Asked(address)

    family = "wav2vec2" if name == "xls_r_300m" else next(family for family in FAMILIES if name.startswith(family))
    hub = importlib.import_module(f"s3prl.upstream.{family}.hubconf")
    monkeypatch.setattr(hub, "_urls_to_filepaths", ask)
    with pytest.raises(Asked) as asked:
        getattr(hub, name)()
    assert s3prl_address(name) == str(asked.value)
    # The file is where s3prl will look for it.
    from s3prl.util.download import _urls_to_filepaths

    file = Path(_urls_to_filepaths(s3prl_address(name), download=False))
    assert find_weights(name, "") is None
    file.write_bytes(b"")
    assert find_weights(name, "") == file


def test_local_upstreams_have_no_address():
    assert s3prl_address("fbank") == s3prl_address("no_such_upstream") == ""
    assert find_weights("no_such_upstream", "") is None


def test_a_given_checkpoint_is_found_at_its_path(tmp_path):
    assert find_weights("huggingface", str(tmp_path)) == tmp_path
    assert find_weights("wavlm_local", str(tmp_path / "no.pt")) is None


def test_models_in_the_cache_of_hugging_face_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find_hugging_face("some/model") is None
    commit = "0" * 40
    folder = tmp_path / "models--some--model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "pytorch_model.bin").touch()
    assert find_weights("huggingface", "some/model") == folder / "snapshots" / commit / "pytorch_model.bin"


@pytest.fixture
def server(tmp_path):
    """A web server on this machine; the folder that it serves and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_weights_are_fetched_once_and_then_found(server, cache, monkeypatch, caplog):
    hub = importlib.import_module("s3prl.upstream.wavlm.hubconf")
    folder, address = server
    torch.manual_seed(0)
    file = save_s3prl("wavlm", "layer", folder / "wavlm_large.pt")
    wavlm_large = functools.partial(hub.wavlm_url, f"{address}/{file.name}")
    monkeypatch.setattr("ambiser.features.upstreams.upstream._find", lambda name: wavlm_large)
    monkeypatch.setattr(weights, "s3prl_address", lambda name: f"{address}/{file.name}")
    monkeypatch.setattr(sys, "argv", ["fetch_weights", "wavlm_large", "hashing", "fbank"])
    monkeypatch.setattr(fetch_weights, "set_up_logging", lambda: None)
    for _ in range(2):  # the second time the server has it no more
        with caplog.at_level("INFO", "ambiser"):
            fetch_weights.main()
        file.unlink(missing_ok=True)
    (stored,) = cache.glob("*.wavlm_large.pt")
    assert caplog.messages[:3] == [
        f"wavlm_large: 3 layers of 16; weights in {stored}",
        "hashing: needs no weights",
        "fbank: needs no weights",
    ]
    assert caplog.messages[3:] == caplog.messages[:3]


def test_missing_weights_are_one_line(server, cache, monkeypatch):
    hub = importlib.import_module("s3prl.upstream.wavlm.hubconf")
    find = "ambiser.features.upstreams.upstream._find"
    monkeypatch.setattr(find, lambda name: functools.partial(hub.wavlm_url, server[1]))
    monkeypatch.setattr(hub, "_urls_to_filepaths", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("no route")))
    monkeypatch.setattr(sys, "argv", ["fetch_weights", "wavlm_large"])
    with pytest.raises(ConfigError, match=r"cannot be downloaded \(no route\); run tools/fetch_weights.sh wavlm_large"):
        fetch_weights.main()


def test_the_command_refuses_unknown_names(run, root):
    done = run(root / "tools/fetch_weights.sh", "hashing", "wavlm_lagre")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "fetch_weights: error: " in done.stderr and "did you mean wavlm_large" in done.stderr
