"""The arguments of trimodal runs: the configs that ship, what has to be named, what contradicts itself."""

import pytest

from traceformers.training.run_arguments import resolved_config
from traceformers.training.trimodal.trimodal_arguments import parse_trimodal

NAMED = ["--recordings", "a", "b", "--rrweb_model", "model"]


def config(root, name):
    return str(root / "run_scripts" / "configs" / "rrweb" / f"trimodal_{name}.yaml")


@pytest.mark.parametrize(("name", "frozen"), [("tiny", ["text", "rrweb"]), ("small", ["text"])])
def test_the_configs_that_ship_need_recordings_and_a_model_and_nothing_else(repository_root, tmp_path, name, frozen):
    arguments = [config(repository_root, name), *NAMED, "--output_dir", str(tmp_path)]
    model, data, training = parse_trimodal(arguments)
    assert model.frozen == frozen and model.vision_model == "new" and data.recordings == ["a", "b"]
    assert training.use_cpu and training.per_device_train_batch_size >= 32
    for left_out, said in ((NAMED[:3], "--rrweb_model"), (NAMED[3:], "--recordings")):
        with pytest.raises(ValueError, match=f"Expected {said}"):
            parse_trimodal([config(repository_root, name), *left_out, "--output_dir", str(tmp_path)])


def test_by_default_the_encoders_are_minilm_and_clip(tmp_path):
    model, _, training = parse_trimodal([*NAMED, "--output_dir", str(tmp_path)])
    assert model.text_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert model.vision_model == "openai/clip-vit-base-patch32"
    assert model.frozen == ["text"] and model.projection_dim == 512
    assert training.greater_is_better and training.metric_for_best_model == "eval_mrr"


def test_a_resolved_config_is_a_config(tmp_path):
    groups = parse_trimodal([*NAMED, "--output_dir", str(tmp_path), "--held_out_sites", "x.test", "--frozen", "none"])
    resolved = resolved_config(*groups)
    assert resolved["held_out_sites"] == ["x.test"] and resolved["recordings"] == ["a", "b"]
    assert resolved["frozen"] == ["none"] and groups[0].frozen_encoders == []


def test_rows_are_no_columns(tmp_path):
    with pytest.raises(ValueError, match="Expected remove_unused_columns false"):
        parse_trimodal([*NAMED, "--output_dir", str(tmp_path), "--remove_unused_columns", "true"])
