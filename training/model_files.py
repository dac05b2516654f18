"""The folder of a saved model, whatever it is named by. Imports neither torch nor transformers."""

import importlib.util
import os
from pathlib import Path

#: What a model needs: settings, vocabularies, code and weights; exports for other runtimes are left out.
FILES = ("*.json", "*.txt", "*.model", "*.py")
WEIGHTS = ("*.safetensors", "*.bin")
EXPORTS = ("onnx/*", "openvino/*", "torch-export/*", "torchscript/*")


def model_folder(name, revision=None):
    """Returns the folder of a model's files; those of a Hub repository are downloaded, or taken from the cache.

    Args:
        name (path): a folder; a repository on the Hub; or `package:<module>`, an installed Python package that holds a
            model in its folder or in `model/`.
        revision (`str`, *optional*): commit or tag of a repository.

    Raises:
        FileNotFoundError: there is no such folder or package, or the repository is neither in the cache nor in reach.
    """
    name = os.fspath(name)
    if Path(name).is_dir():
        return Path(name)
    if name.startswith("package:"):
        return _package_folder(name.removeprefix("package:"))
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise FileNotFoundError(
            f"Expected the folder of a saved model, found none at {name}. Name a folder, or a repository as user/name."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    for weights in WEIGHTS:
        try:
            found = snapshot_download(
                name, revision=revision, allow_patterns=[*FILES, weights], ignore_patterns=list(EXPORTS)
            )
        except (LocalEntryNotFoundError, RepositoryNotFoundError) as error:
            raise FileNotFoundError(
                f"Expected a folder or a repository on the Hub called {name}, found neither, nor a copy in the cache "
                f"({type(error).__name__}). Correct the name, or connect to the network for the first use."
            ) from error
        if any(Path(found).rglob(weights)):
            break
    return Path(found)


def _package_folder(module):
    spec = importlib.util.find_spec(module)
    homes = list(spec.submodule_search_locations or []) if spec else []
    for folder in (Path(home) / sub for home in homes for sub in ("", "model")):
        if (folder / "config.json").is_file():
            return folder
    raise FileNotFoundError(
        f"Expected an installed package {module} with a model in it, found "
        f"{'no config.json in it' if homes else 'no such package'}. Install it, or name a folder or a repository."
    )
