import numpy as np
import pytest
import torch
from distillation_corpus import write_corpus

from traceformers.training.distillation.distillation_arguments import (
    DistillationTrainingArguments,
    StudentArguments,
    TeacherArguments,
)
from traceformers.training.distillation.distillation_run import (
    DistillationData,
    build_student,
    build_trainer,
    finished_student,
)
from traceformers.training.distillation.distillation_trainer import HeldoutTexts


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    corpus = write_corpus(folder)
    teacher = TeacherArguments(
        texts=[corpus["texts"]], heldout=[corpus["heldout"]], teacher_cache=corpus["teacher_cache"]
    )
    return DistillationData(StudentArguments(vocabulary=corpus["vocabulary"]), teacher, folder / "out")


def trainer(data, folder, train_table=True, **arguments):
    defaults = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "logging_steps": 1}
    defaults |= {"use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False, "max_steps": 4}
    defaults |= {"per_device_train_batch_size": 40}
    data.student.train_table = train_table
    student = build_student(data)
    data.student.train_table = True
    return build_trainer(data, DistillationTrainingArguments(output_dir=str(folder), **(defaults | arguments)), student)


def losses(run):
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def test_the_logged_loss_is_one_minus_the_mean_cosine_to_the_teacher(data, tmp_path):
    run = trainer(data, tmp_path, max_steps=1)
    batch = run.train_dataset.__getitems__(list(range(40)))
    with torch.no_grad():
        outputs = run.model(batch["input_ids"], offsets=batch["offsets"]).pooler_output
    cosines = torch.cosine_similarity(outputs, batch["teacher_vectors"].float())
    run.train()
    assert losses(run) == pytest.approx([1 - cosines.mean().item()], rel=1e-5)


def test_accumulated_batches_are_one_batch(data, tmp_path):
    found = []
    for batch_size, accumulated in ((40, 1), (20, 2), (10, 4)):
        run = trainer(data, tmp_path, per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulated)
        run.train()
        found.append((losses(run), run.model.embeddings.weight.detach().clone()))
    for loss, table in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(table, found[0][1], atol=1e-4, rtol=0)


def test_every_epoch_has_another_order(data, tmp_path):
    # nothing is learned: losses differ by the texts of the batch alone
    still = {"learning_rate": 0.0, "table_learning_rate": 0.0, "logit_learning_rate": 0.0}
    run = trainer(data, tmp_path, max_steps=8, **still)
    run.train()
    found, expected = losses(run), []
    for epoch in range(2):
        run.train_dataset.set_epoch(epoch)
        for start in range(0, 160, 40):
            batch = run.train_dataset.__getitems__(list(range(start, start + 40)))
            with torch.no_grad():
                outputs = run.model(batch["input_ids"], offsets=batch["offsets"]).pooler_output
            expected.append(1 - torch.cosine_similarity(outputs, batch["teacher_vectors"].float()).mean().item())
    assert found == pytest.approx(expected, rel=1e-5)
    assert found[:4] != pytest.approx(found[4:], rel=1e-3)


def test_a_linear_schedule_ends_at_its_share_and_groups_have_their_rates(data, tmp_path):
    run = trainer(data, tmp_path, max_steps=4, table_learning_rate=0.01, final_learning_rate=0.3)
    run.create_optimizer_and_scheduler(4)
    rates = []
    for _ in range(4):
        rates.append([group["lr"] for group in run.optimizer.param_groups])
        run.optimizer.step()
        run.lr_scheduler.step()
    expected = np.outer([1, 0.75, 0.5, 0.3], [0.01, 0.01])
    np.testing.assert_allclose(rates, expected)


def test_a_frozen_table_stays_and_the_weights_move(data, tmp_path):
    run = trainer(data, tmp_path, train_table=False)
    before = run.model.embeddings.weight.clone(), run.model.logits.detach().clone()
    run.train()
    assert torch.equal(run.model.embeddings.weight, before[0])
    assert not torch.equal(run.model.logits, before[1])


@pytest.mark.parametrize("row_updates", ["lazy", "dense"])
def test_rows_of_entries_that_no_text_holds_stay(data, tmp_path, row_updates):
    run = trainer(data, tmp_path, row_updates=row_updates)
    before = run.model.embeddings.weight.detach().clone()
    seen = np.zeros(len(before), bool)
    for step in range(4):
        seen[run.train_dataset.__getitems__(list(range(40 * step, 40 * step + 40)))["input_ids"]] = True
    words = data.tokenizer.vocabulary.composition[seen]
    seen[words[words >= 0]] = True
    run.train()
    moved = (run.model.embeddings.weight != before).any(1).numpy()
    assert (moved == seen).all() and not seen.all()


def test_the_student_starts_from_the_teachers_vectors_and_frequencies(data):
    model = build_student(data)
    words = data.tokenizer.vocabulary.composition[:, 0] < 0
    np.testing.assert_allclose(model.embeddings.weight.detach()[words], data.entry_vectors()[words], atol=1e-6)
    assert (model.embeddings.weight[~torch.from_numpy(words)] == 0).all()
    counts = data.entry_counts()
    ids, _ = data.tokens.flat(np.arange(len(data.tokens)))
    expected = np.bincount(ids, minlength=len(counts))
    for entry in np.flatnonzero(~words):
        for word in data.tokenizer.vocabulary.composition[entry]:
            expected[word] += (ids == entry).sum() if word >= 0 else 0
    assert np.array_equal(counts, expected)
    assert model.logits[counts.argmax()] < model.logits[counts == counts[counts > 0].min()].min()


def test_evaluation_and_the_finished_student_agree(data, tmp_path):
    run = trainer(data, tmp_path)
    run.train()
    metrics = run.evaluate()
    model = finished_student(run.model, data, {"cosine": 1.0})
    assert model.config.normalize
    ids, offsets = (torch.from_numpy(array) for array in data.heldout.tokens.flat(np.arange(len(data.heldout))))
    with torch.no_grad():
        vectors = model(ids, offsets=offsets).pooler_output.numpy()
    cosine = (vectors * data.heldout.teacher_vectors).sum(1).mean()
    assert metrics["eval_cosine"] == pytest.approx(cosine, abs=1e-3)


def test_a_folder_of_this_machine_is_not_published(data, monkeypatch):
    assert build_student(data).config.teacher_name is None
    monkeypatch.setitem(data.about_teacher, "teacher", "/not/there/all-MiniLM-L6-v2")
    assert build_student(data).config.teacher_name is None
    monkeypatch.setattr(data.student, "documents", "teacher")
    with pytest.raises(ValueError, match="got /not/there/all-MiniLM-L6-v2"):
        build_student(data)
    monkeypatch.setattr(data.arguments, "teacher_name", "user/teacher")
    assert build_student(data).config.teacher_name == "user/teacher"
    monkeypatch.setattr(data.arguments, "teacher_name", "package:teacher")
    with pytest.raises(ValueError, match="Give the Hub id of the same model: --teacher_name"):
        build_student(data)
    monkeypatch.setattr(data.student, "documents", "student")
    assert build_student(data).config.teacher_name == "package:teacher"
    monkeypatch.setattr(data.arguments, "teacher_name", None)
    monkeypatch.setitem(data.about_teacher, "teacher", "user/other")
    assert build_student(data).config.teacher_name == "user/other"


def test_heldout_texts_of_different_numbers_are_refused(data):
    with pytest.raises(ValueError, match="got 40, 39 and 40"):
        HeldoutTexts(data.heldout.tokens, data.heldout.texts[1:], data.heldout.teacher_vectors)
