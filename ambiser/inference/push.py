"""Uploads a packed model to the hub of Hugging Face."""

import re
from pathlib import Path

from ambiser.errors import ConfigError, UserError, first_line
from ambiser.inference.model_folder import read_record

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def check_push(name: str, api: object | None = None) -> None:
    """Checks name and token before any work.

    Args:
        name: USER/NAME or ORGANIZATION/NAME.
        api: a `huggingface_hub.HfApi`; None makes one.

    Raises:
        ConfigError: the name has another form, or there is no token.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--push {name}: must be USER/NAME, of letters, digits and . _ -")
    if (_api() if api is None else api).token is None:
        raise ConfigError(f"--push {name}: there is no token of Hugging Face; run `hf auth login`, or set HF_TOKEN")


def push(folder: Path, name: str, api: object | None = None) -> str:
    """Uploads all files of a model, with its card, in one commit; a new repository is private.

    Args:
        folder: of the model; its files are checked first.
        name: USER/NAME.
        api: a `huggingface_hub.HfApi`; None makes one.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: there is no token.
        DataError: the folder is no model, or a file was changed.
        UserError: the hub refuses the upload or cannot be reached.
    """
    import requests
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    api = _api() if api is None else api
    check_push(name, api)
    record = read_record(folder)
    try:
        address = api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            allow_patterns=["model.json", "README.md", *record.files],
            commit_message=f"Upload {record.name}",
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        unreachable = isinstance(error, requests.ConnectionError)  # its own text is the address of the request
        reason = f"{constants.ENDPOINT} cannot be reached" if unreachable else first_line(error)
        later = f"hf upload --private {name} {folder}"
        raise UserError(f"--push {name}: {reason}; the packed model is in {folder}, upload it with: {later}") from error
    return str(address)


def _api() -> object:
    from huggingface_hub import HfApi, get_token

    return HfApi(token=get_token())
