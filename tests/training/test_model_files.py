import subprocess
import sys

import pytest

from traceformers.training.model_files import model_folder


def test_a_folder_is_itself_and_a_package_the_model_in_it(tmp_path, monkeypatch):
    assert model_folder(str(tmp_path)) == tmp_path
    held = tmp_path / "some_package_of_a_model" / "model"
    held.mkdir(parents=True)
    (held / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert model_folder("package:some_package_of_a_model") == held
    (held / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no config\.json in it"):
        model_folder("package:some_package_of_a_model")


@pytest.mark.parametrize("name", ["./no_such_folder", "/no/such/folder", "a/b/c", "package:no_such_package"])
def test_what_is_not_there_is_named(name):
    with pytest.raises(FileNotFoundError, match=name.rpartition("package:")[2]):
        model_folder(name)


def test_a_repository_out_of_reach_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="Expected a folder or a repository on the Hub called nobody/nothing"):
        model_folder("nobody/nothing")


def test_a_folder_is_found_without_torch():
    script = (
        "import sys; from traceformers.training.model_files import model_folder; model_folder('.'); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
