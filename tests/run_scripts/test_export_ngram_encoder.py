import pytest

from traceformers.run_scripts.export_ngram_encoder import main


def test_an_encoder_that_is_nowhere_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SystemExit, match="called no_such_encoder, found neither"):
        main(["no_such_encoder", "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit):  # nowhere to write to
        main(["no_such_encoder"])
    assert not (tmp_path / "out").exists()
