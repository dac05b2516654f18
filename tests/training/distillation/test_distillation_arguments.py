import pytest
import yaml

from traceformers.training.distillation.distillation_arguments import parse_distillation
from traceformers.training.run_arguments import resolved_config

NEEDED = "vocabulary: v\ntexts: [a.txt, b.txt]\nheldout: [h.txt]\n"


def parse(tmp_path, text="", *overrides):
    (tmp_path / "run.yaml").write_text(NEEDED + text)
    return parse_distillation([str(tmp_path / "run.yaml"), "--use_cpu", "--output_dir", "out", *overrides])


def test_defaults_are_what_worked_best(tmp_path):
    student, teacher, training = parse(tmp_path)
    assert (student.pooling, student.rho, student.phi, student.init_table) == ("attention", "none", "none", "teacher")
    assert (training.table_learning_rate, training.logit_learning_rate) == (4e-3, 1e-2)
    assert (training.adam_beta1, training.adam_beta2, training.final_learning_rate) == (0.9, 0.99, 0.02)
    assert (training.num_train_epochs, training.per_device_train_batch_size) == (4, 2048)
    assert training.greater_is_better and teacher.target == "plain"


def test_the_written_config_is_read_again(tmp_path):
    groups = parse(
        tmp_path, "matryoshka_dims: [64, 128]\nlr_scheduler_type: cosine\ntrain_table: false\n", "--loss", "kl"
    )
    config = resolved_config(*groups)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config))
    again = parse_distillation([str(tmp_path / "again.yaml")])
    assert resolved_config(*again) == config
    assert again[0].matryoshka_dims == [64, 128] and again[0].train_table is False
    assert again[1].texts == ["a.txt", "b.txt"] and again[2].lr_scheduler_type == "cosine"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("--loss", "mixed"), "Expected losses of cosine"),
        (("--target", "pca"), "Expected target of plain, l2, whitened, got 'pca'"),
        (("--init_table", "zeros"), "Expected init_table of teacher, random"),
        (("--row_updates", "sparse"), "Expected row_updates of lazy, dense"),
        (("--final_learning_rate", "2"), "Expected final_learning_rate from 0 to 1"),
        (("--max_heldout", "1"), "Expected max_heldout of 2 or more"),
        (("--vocabulary", ""), "Expected --vocabulary"),
    ],
)
def test_bad_values_are_named(tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        parse(tmp_path, "", *overrides)


def test_texts_are_needed():
    with pytest.raises(ValueError, match="Expected --texts, files of one text a line"):
        parse_distillation(["--vocabulary", "v", "--output_dir", "out", "--use_cpu"])
