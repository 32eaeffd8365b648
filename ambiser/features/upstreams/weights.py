"""Finds the weights of pre-trained models on this machine, without importing s3prl or torch."""

import ast
import hashlib
from pathlib import Path

from ambiser.features.upstreams.upstream_names import HUGGING_FACE, files_of_s3prl
from ambiser.io.console import log

_TIMEOUT_S = 10


def s3prl_cache() -> Path:
    """Returns the folder that s3prl downloads to."""
    return Path.home() / ".cache" / "s3prl" / "download"


def s3prl_address(name: str) -> str:
    """Returns the download address of an upstream, read from the files of s3prl; "" if they name none.

    An alias (wavlm for wavlm_base_plus) has the address of its target.
    """
    for file in files_of_s3prl():
        functions = {node.name: node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
        seen: set[str] = set()
        while name in functions and name not in seen:
            seen.add(name)
            # If a function names two addresses, the first has the original format, the last that of s3prl.
            nodes = sorted((node for node in ast.walk(functions[name])), key=lambda node: getattr(node, "lineno", 0))
            addresses = [node.value for node in nodes if isinstance(node, ast.Constant) and _is_address(node.value)]
            if addresses:
                return addresses[-1]
            name = next((node.func.id for node in nodes if isinstance(node, ast.Call) and _is_name(node.func)), "")
    return ""


def find_weights(upstream: str, checkpoint: str) -> Path | None:
    """Returns the file or folder of the weights on this machine, or None.

    Args:
        upstream: a name of s3prl, or `huggingface`.
        checkpoint: as in the configuration.
    """
    if checkpoint and Path(checkpoint).exists():
        return Path(checkpoint)
    if upstream == HUGGING_FACE:
        return find_hugging_face(checkpoint)
    if not (address := s3prl_address(upstream)):
        return None
    file = s3prl_cache() / f"{hashlib.sha256(address.encode()).hexdigest()}.{Path(address).name}"
    return file if file.is_file() else None


def find_hugging_face(name: str) -> Path | None:
    """Returns the cached weights of a model of Hugging Face's hub, or None."""
    from huggingface_hub import try_to_load_from_cache

    for file in ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return Path(found)
    return None


def reach_hub(name: str) -> None:
    """Checks that a model can be fetched from Hugging Face, whose own programs would retry for half a minute.

    Raises:
        OSError: the hub cannot be reached.
    """
    import requests
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    try:
        requests.head(constants.ENDPOINT, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise OSError(f"{constants.ENDPOINT} cannot be reached; connect to the network once") from error
    log.info("downloading %s from %s", name, constants.ENDPOINT)


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith("https://")


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)
