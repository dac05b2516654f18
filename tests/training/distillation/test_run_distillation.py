import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from assertions import assert_hub_folder_is_self_contained
from distillation_corpus import write_corpus, write_vocabulary
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from started_runs import start, start_and_kill

from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.run_scripts import run_distillation
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation import distillation_run
from traceformers.training.distillation.teacher import DEFAULT_TEACHER, load_teacher
from traceformers.training.evaluation.document_map import DocumentMap
from traceformers.training.evaluation.encoder_monitor import TextFigures
from traceformers.training.evaluation.student_doubt import StudentDoubt
from traceformers.training.tensor_files import write_tensors

CONFIG = {
    "num_train_epochs": 3,
    "per_device_train_batch_size": 40,
    "table_learning_rate": 0.02,
    "teacher_precision": "float32",
    "eval_strategy": "steps",
    "eval_steps": 3,
    "save_strategy": "steps",
    "save_steps": 3,
    "save_total_limit": 5,
    "logging_steps": 1,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "disable_tqdm": True,
    "seed": 3,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "data")


@pytest.fixture(scope="module")
def config(tmp_path_factory, corpus):
    path = tmp_path_factory.mktemp("config") / "test.yaml"
    lists = {"texts": [corpus["texts"]], "heldout": [corpus["heldout"]]}
    path.write_text(yaml.safe_dump(CONFIG | corpus | lists))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    """An uninterrupted run on one rank, in this process: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_distillation.main([config, "--output_dir", str(output_dir)])


def history(output_dir, key):
    """Returns {step: value} of what a run logged under `key`."""
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def heldout(corpus):
    return Path(corpus["heldout"]).read_text().splitlines()


def agreement(folder, corpus):
    """Returns the mean cosine of a saved model's vectors and the teacher's, of the held-out texts, and both vectors."""
    ids, offsets = NgramTokenizer.from_pretrained(folder).encode_flat(heldout(corpus))
    with torch.no_grad():
        model = NgramEncoderModel.from_pretrained(folder)
        student = model(torch.from_numpy(ids), offsets=torch.from_numpy(offsets)).pooler_output.numpy()
    teacher = SentenceTransformer(corpus["teacher"], device="cpu").encode(heldout(corpus))
    lengths = (np.linalg.norm(vectors, axis=1) for vectors in (student, teacher))
    return ((student * teacher).sum(1) / np.prod([*lengths], axis=0)).mean(), student, teacher


def test_a_run_leaves_its_record_and_a_model_for_strangers(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    assert {"cosine", "pair_spearman", "top10_asymmetric", "top10_symmetric"} <= set(metrics["eval"])
    assert metrics["train"]["steps"] == 12 and metrics["seed"] == 3 and "command" in metrics
    assert metrics["teacher"]["dimension"] == 16
    for name in ("trainer_state.json", "learning_curves.png", "similarity.png", "training_model/config.json"):
        assert (output_dir / name).exists()
    assert_hub_folder_is_self_contained(output_dir / "model")


def test_training_brings_the_student_near_its_teacher(run, corpus):
    output_dir, metrics = run
    found = history(output_dir, "eval_cosine")
    assert list(found) == [3, 6, 9, 12] and found[12] > found[3] > 0.5
    assert metrics["eval"]["cosine"] == pytest.approx(max(found.values()), abs=1e-6)


def test_the_saved_model_gives_the_vectors_of_the_figures(run, corpus):
    output_dir, metrics = run
    texts = heldout(corpus)
    student = SentenceTransformer(str(output_dir / "model"), trust_remote_code=True, device="cpu").encode(texts)
    teacher = SentenceTransformer(corpus["teacher"], device="cpu").encode(texts)
    assert (student * teacher).sum(1).mean() == pytest.approx(metrics["eval"]["cosine"], abs=2e-3)  # cache: float16
    folded, unfolded = (NgramEncoderModel.from_pretrained(output_dir / name) for name in ("model", "training_model"))
    assert folded.config.folded and not unfolded.config.folded and folded.config.normalize
    ids, offsets = torch.arange(2, 12), torch.tensor([0, 4, 10])
    expected = unfolded(ids, offsets=offsets).pooler_output
    torch.testing.assert_close(folded(ids, offsets=offsets).pooler_output, expected, atol=1e-5, rtol=0)
    assert np.allclose(np.linalg.norm(student, axis=1), 1, atol=1e-5)


def test_the_resolved_config_is_a_config(run, tmp_path):
    output_dir, metrics = run
    config = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert {key: config[key] for key in CONFIG if key != "disable_tqdm"} == {
        key: value for key, value in CONFIG.items() if key != "disable_tqdm"
    }
    again = run_distillation.main([str(output_dir / "run.yaml"), "--output_dir", str(tmp_path / "again")])
    assert again["eval"] == metrics["eval"]
    assert history(tmp_path / "again", "loss") == history(output_dir, "loss")


def test_a_killed_run_goes_on_to_the_same_losses(run, config, tmp_path):
    output_dir, metrics = run
    start_and_kill("run_distillation", config, "--output_dir", str(tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    (tmp_path / "checkpoint-7").mkdir()  # one that was never finished
    resumed = run_distillation.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] == "checkpoint-6"
    assert list(history(tmp_path, "loss")) == list(range(1, 13))
    for key in ("loss", "learning_rate", "eval_cosine"):  # another process rounds the last digit otherwise
        assert history(tmp_path, key) == pytest.approx(history(output_dir, key), rel=1e-6), key
    assert resumed["eval"] == pytest.approx(metrics["eval"], rel=1e-6)


def test_two_ranks_train_and_evaluate_like_one(run, config, corpus, tmp_path):
    output_dir, metrics = run
    launched = start(
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(run_distillation.__file__, config, "--output_dir", str(tmp_path)),
        *("--per_device_train_batch_size", "20", "--teacher_cache", str(tmp_path / "cache")),
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    two = json.loads((tmp_path / "metrics.json").read_text())
    assert two["train"]["ranks"] == 2
    for key in ("loss", "eval_cosine"):
        found, expected = history(tmp_path, key), history(output_dir, key)
        assert list(found) == list(expected)
        assert list(found.values()) == pytest.approx(list(expected.values()), rel=2e-3)
    assert two["eval"]["cosine"] == pytest.approx(metrics["eval"]["cosine"], rel=1e-3)


def test_without_a_teacher_its_caches_are_enough(config, run, tmp_path):
    content = yaml.safe_load(Path(config).read_text())
    del content["teacher"]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    again = run_distillation.main([str(tmp_path / "run.yaml"), "--output_dir", str(tmp_path / "out")])
    assert again["eval"] == run[1]["eval"]
    with pytest.raises(FileNotFoundError, match=r"found no teacher\.json"):
        arguments = [str(tmp_path / "run.yaml"), "--output_dir", str(tmp_path / "out")]
        run_distillation.main([*arguments, "--heldout_cache", str(tmp_path / "nothing")])


def test_without_teacher_and_cache_the_default_teacher_is_asked_for(config, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    content = yaml.safe_load(Path(config).read_text())
    del content["teacher"]
    content.pop("teacher_cache", None), content.pop("heldout_cache", None)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(FileNotFoundError, match=f"called {DEFAULT_TEACHER}"):
        run_distillation.main([str(tmp_path / "run.yaml"), "--output_dir", str(tmp_path / "out")])


@pytest.mark.parametrize(
    "overrides",
    [
        ["--target", "whitened", "--rho", "mlp", "--phi", "mlp", "--num_attention_heads", "2"],
        ["--loss", "cosine=1,kl=0.2,student_kl=0.2,margin_mse=1", "--mined_documents", "8", "--target", "whitened"],
        ["--train_table", "false", "--rho", "linear", "--embedding_size", "8", "--matryoshka_dims", "4", "8"],
        ["--init_table", "random", "--pooling", "sif", "--row_updates", "dense", "--table_dtype", "int8"],
        ["--num_self_attention_layers", "1", "--num_self_attention_heads", "2", "--max_grad_norm", "1"],
        ["--bf16", "true", "--gradient_accumulation_steps", "2", "--early_stopping_patience", "1"],
    ],
    ids=lambda overrides: " ".join(overrides[:2]),
)
def test_every_variant_trains_and_is_saved(config, tmp_path, corpus, overrides):
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", *overrides]
    metrics = run_distillation.main(arguments)
    assert np.isfinite(metrics["train"]["loss"])
    assert agreement(tmp_path / "model", corpus)[0] == pytest.approx(metrics["eval"]["cosine"], abs=5e-3)


def test_the_doubt_of_held_out_texts_goes_with_the_model(run, corpus):
    folder = run[0] / "model"
    doubt = StudentDoubt.load(folder / "student_doubt.safetensors")
    runtime = NgramRuntime.from_pretrained(folder)
    vectors, doubts = doubt.ask(TextFigures(runtime), heldout(corpus))
    np.testing.assert_allclose(vectors, runtime.encode(heldout(corpus)), atol=1e-6)
    teacher = SentenceTransformer(corpus["teacher"], device="cpu").encode(heldout(corpus))
    assert doubts.mean() == pytest.approx(1 - (vectors * teacher).sum(1).mean(), rel=0.3)
    assert doubt.quantiles[0] <= doubt.threshold(0.2) <= doubt.quantiles[-1]


def test_a_document_map_is_saved_and_used(config, corpus, tmp_path):
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--document_map", "true"]
    run_distillation.main([*arguments, "--documents", "teacher", "--teacher_name", corpus["teacher"]])
    folder, texts = tmp_path / "model", heldout(corpus)
    assert json.loads((folder / "config.json").read_text())["document_map"]
    assert not json.loads((tmp_path / "training_model" / "config.json").read_text())["document_map"]
    document_map = DocumentMap.load(folder / "document_map.safetensors")
    teacher = SentenceTransformer(corpus["teacher"], device="cpu").encode(texts)
    model = SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")
    documents, queries = model.encode_document(texts), model.encode_query(texts)
    np.testing.assert_allclose(documents, document_map(teacher), atol=1e-4)
    wanted = teacher @ teacher.T
    assert ((queries @ documents.T - wanted) ** 2).mean() < ((queries @ teacher.T - wanted) ** 2).mean()


def test_a_run_on_the_cpu_loads_its_teacher_there(config, corpus, tmp_path, monkeypatch):
    asked = []

    def loading(*args, device=None, **options):
        asked.append(device)
        return load_teacher(*args, device="cpu", **options)

    monkeypatch.setattr(distillation_run, "load_teacher", loading)
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1"]
    run_distillation.main(arguments)
    assert asked == ["cpu"]


def test_a_teacher_in_a_folder_is_said_to_be_unnamed(config, corpus, tmp_path, capsys):
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1"]
    run_distillation.main(arguments)
    assert "will name no teacher" in capsys.readouterr().out
    assert json.loads((tmp_path / "model" / "config.json").read_text())["teacher_name"] is None
    with pytest.raises(ValueError, match="Give the Hub id of the same model: --teacher_name"):
        run_distillation.main([*arguments, "--documents", "teacher"])


def test_a_search_sets_the_rates_of_the_run(config, tmp_path):
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--search_trials", "2"]
    metrics = run_distillation.main(arguments)
    best = metrics["search"]["parameters"]
    assert set(best) == {"table_learning_rate", "logit_learning_rate", "learning_rate"}
    written = yaml.safe_load((tmp_path / "run.yaml").read_text())
    assert written["table_learning_rate"] == best["table_learning_rate"]
    assert metrics["eval"]["cosine"] == pytest.approx(metrics["search"]["objective"], abs=0.02)


def test_a_dot_product_teacher_keeps_its_lengths(tmp_path):
    corpus = write_corpus(tmp_path / "dot", normalize=False)
    lists = {"texts": [corpus["texts"]], "heldout": [corpus["heldout"]]}
    (tmp_path / "dot.yaml").write_text(yaml.safe_dump(CONFIG | corpus | lists))
    metrics = run_distillation.main([str(tmp_path / "dot.yaml"), "--output_dir", str(tmp_path / "out")])
    assert metrics["teacher"]["similarity"] == "dot"
    cosine, *vectors = agreement(tmp_path / "out" / "model", corpus)
    assert cosine == pytest.approx(metrics["eval"]["cosine"], abs=2e-3)
    lengths, expected = (np.linalg.norm(each, axis=1) for each in vectors)
    assert lengths.mean() == pytest.approx(expected.mean(), rel=0.15) and expected.mean() > 1.5


def test_bad_input_is_named(config, corpus, tmp_path):
    def refused(*overrides, match, error=ValueError):
        with pytest.raises(error, match=match):
            run_distillation.main([config, "--output_dir", str(tmp_path / "out"), *overrides])

    empty, changed = tmp_path / "empty.txt", tmp_path / "changed.txt"
    empty.write_text("\n\n")
    changed.write_text(Path(corpus["texts"]).read_text().replace("cat", "dog"))
    refused("--texts", str(empty), match="Expected texts in --texts .*empty.txt, got none")
    refused("--texts", str(changed), match="they changed after they were embedded")
    refused("--texts", str(tmp_path / "none.txt"), match="Expected text files", error=FileNotFoundError)
    refused("--teacher_pooling", "cls", match="Expected vectors of .* with pooling cls")
    refused("--loss", "margin_mse", match="Expected --mined_documents of 2 or more")
    refused("--vocabulary", str(tmp_path), match="Expected ngram_vocabulary", error=FileNotFoundError)
    refused("--target", "whitened", "--num_attention_heads", "2", match="Expected rho linear")
    folder = write_vocabulary(tmp_path / "vocabulary", load_teacher(corpus["teacher"], device="cpu"))
    vectors = load_file(folder / "entry_vectors.safetensors")["vectors"]
    write_tensors(folder / "entry_vectors.safetensors", {"vectors": vectors[:-1]})
    refused("--vocabulary", str(folder), match=r"Expected entry vectors \(76, 16\).*got \(75, 16\)")
    write_vocabulary(folder, load_teacher(corpus["teacher"], pooling="cls", device="cpu"))
    refused("--vocabulary", str(folder), match="Expected vectors of .* with pooling mean")


def test_help_shows_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        run_distillation.main(["--help"])
    assert caught.value.code == 0
    assert "python run_scripts/run_distillation.py" in capsys.readouterr().out
