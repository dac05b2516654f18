import pytest
import yaml

from traceformers.training.masked_lm.mlm_arguments import parse_mlm
from traceformers.training.run_arguments import resolved_config


def parse(tmp_path, text, *overrides):
    (tmp_path / "run.yaml").write_text(text)
    return parse_mlm([str(tmp_path / "run.yaml"), "--use_cpu", *overrides])


def test_the_command_line_overrides_the_file(tmp_path):
    model, data, training = parse(
        tmp_path, "hidden_size: 64\nmax_length: 128\nlearning_rate: 1.0e-3\n", "--max_length", "32"
    )
    assert (model.hidden_size, data.max_length, training.learning_rate) == (64, 32, 1e-3)


def test_defaults_are_those_of_the_task(tmp_path):
    _, data, training = parse(tmp_path, "output_dir: out\n")
    assert (training.learning_rate, training.weight_decay, training.max_grad_norm) == (5e-5, 0.01, 1.0)
    assert (data.samples_per_epoch, data.max_length, data.mask_probability) == (90_000, 2048, 0.15)
    assert training.metric_for_best_model == "eval_loss" and training.load_best_model_at_end


def test_an_unknown_key_is_named(tmp_path, capsys):
    for text, overrides in (("hiden_size: 64\n", ()), ("hidden_size: 64\n", ("--hiden_size", "3"))):
        with pytest.raises(SystemExit):
            parse(tmp_path, text, *overrides)
        assert "--hiden_size" in capsys.readouterr().err


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    with pytest.raises(ValueError, match="key: value"):
        parse(tmp_path, "- a\n- b\n")


def test_warm_restarts_need_their_length_and_nothing_else_takes_it(tmp_path):
    with pytest.raises(ValueError, match="restart_epochs > 0"):
        parse(tmp_path, "lr_scheduler_type: cosine_warm_restarts\n")
    with pytest.raises(ValueError, match="only with"):
        parse(tmp_path, "lr_scheduler_type: linear\nrestart_epochs: 3\n")
    *_, training = parse(tmp_path, "lr_scheduler_type: cosine_warm_restarts\nrestart_epochs: 3\n")
    assert training.schedule == "cosine_warm_restarts" and training.restart_epochs == 3


def test_no_test_split_can_be_asked_for(tmp_path):
    assert parse(tmp_path, "test_split: none\n")[1].test_split is None


@pytest.mark.parametrize("name", ["tiny", "small", "base"])
def test_a_committed_config_gives_the_run_that_its_resolved_config_gives(repository_root, tmp_path, name):
    path = repository_root / "run_scripts" / "configs" / "rrweb" / f"{name}.yaml"
    # bf16 needs a processor that has it; everything else must hold on any machine
    overrides = ["--data_dir", "d", "--output_dir", "o", "--use_cpu", "--bf16", "false"]
    groups = parse_mlm([str(path), *overrides])
    config = resolved_config(*groups)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    assert resolved_config(*parse_mlm([str(tmp_path / "run.yaml")])) == config
    written = yaml.safe_load(path.read_text()) | {"use_cpu": True, "bf16": False}
    assert {key: config[key] for key in written if key in config} == {k: v for k, v in written.items() if k in config}
    assert set(written) - set(config) <= {"bf16"}


def test_secrets_are_not_written(tmp_path):
    config = resolved_config(*parse(tmp_path, "output_dir: out\n", "--hub_token", "hf_secret"))
    assert "hf_secret" not in str(config)
