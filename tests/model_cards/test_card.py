"""Model cards of made-up runs: what they say, in which order, and what is wrong when a run left nothing."""

import json
import re

import pytest
from huggingface_hub import ModelCard
from made_up_runs import write_rrweb_run

from traceformers.model_cards.card import MissingFactError, count_parameters, render_card, write_card
from traceformers.run_scripts import write_model_card

SECTIONS = [
    "Data and privacy",
    "How to use",
    "Uses",
    "Direct use",
    "Downstream use",
    "Out-of-scope use",
    "Bias, risks and recommendations",
    "Architecture",
    "Training",
    "Evaluation",
    "Limits",
    "Licence",
    "Citation",
    "Contact",
    "Changes",
]


@pytest.fixture
def run_dir(tmp_path):
    """The output folder of a run, as run_mlm.py leaves it, with made-up figures."""
    write_rrweb_run(tmp_path)
    return tmp_path


def change(run_dir, name, update):
    """Rewrites a JSON file of the run after `update(content)`."""
    content = json.loads((run_dir / name).read_text())
    update(content)
    (run_dir / name).write_text(json.dumps(content))


def test_sections_come_in_the_fixed_order_with_data_and_privacy_first(run_dir):
    assert re.findall(r"^##+ (.+)$", render_card(run_dir), re.MULTILINE) == SECTIONS


def test_every_figure_of_the_run_is_in_the_card(run_dir):
    card = render_card(run_dir, repo_id="user/made-up", revision="v9")
    for said in (
        "| parameters, counted in the saved weights | 9,605 |",
        "520 + 80 = 600",
        "| train | 1,000 | 20,000 | 300,000 |",
        "| all | 300 | 1.733 | 5.66 | 25.0 % | **2.500** | 7.250 | 4.125 |",
        "| text | 200 | 2.079 | 8.00 | 25.0 % | **3.000** | 7.250 | 4.125 |",
        "1.62 bits per token less than the better of the two baselines",
        "python run_scripts/run_mlm.py run_scripts/configs/made_up.yaml",
        "git commit `0123abc`, seed 17",
        "1,234 steps, 2.00 epochs, 1,234,567 tokens",
        "1.50 hours, on 2 processes",
        "1 x Imaginary 9000",
        "A script that invents recordings.",
        "Of 1,234 files 3 could not be read and 1 were copies",
        "by site, by hash of its name, 5 % for validation and 10 % for the test",
        "| `mask_probability` | `0.3` |",
        'name, revision = "user/made-up", "v9"',
        "the run left no emissions.csv",
    ):
        assert said in card
    assert "more information needed" not in card.lower()
    assert "{{" not in card and "{%" not in card


def test_the_test_split_is_preferred_and_eval_is_used_without_one(run_dir):
    assert "of the test split" in render_card(run_dir)
    change(run_dir, "metrics.json", lambda metrics: metrics.pop("test"))
    assert "of the eval split" in render_card(run_dir)


def test_a_class_without_masked_tokens_has_no_row(run_dir):
    assert not re.search(r"^\| gap ", render_card(run_dir), re.MULTILINE)


def test_a_model_worse_than_its_baselines_is_said_to_be(run_dir):
    def worsen(metrics):
        metrics["test"]["bits_per_token"] = 9.0

    change(run_dir, "metrics.json", worsen)
    assert "4.88 bits per token **more** than the better" in render_card(run_dir)


def test_the_card_loads_with_a_model_index_of_every_row(run_dir):
    card = ModelCard.load(write_card(run_dir, repo_id="user/made-up"))
    found = {(r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results}
    assert found["all", "bits_per_token"] == 2.5
    assert found["text", "top1"] == 0.25
    assert len(found) == 9
    assert card.data.model_name == "made-up"
    assert "custom_code" in card.data.tags
    assert card.data.license == "apache-2.0"


def test_measured_energy_is_in_the_text_and_in_the_metadata(run_dir):
    columns = "energy_consumed,emissions,country_name,codecarbon_version"
    (run_dir / "emissions.csv").write_text(f"{columns}\n0.5,0.1,Iceland,3.0\n0.25,0.05,Iceland,3.0\n")
    card = ModelCard(render_card(run_dir))
    assert "0.750 kWh, 150 g CO2 equivalent (Iceland), measured by codecarbon 3.0" in card.text
    assert card.data.to_dict()["co2_eq_emissions"]["emissions"] == pytest.approx(150)


FILES = "metrics.json trainer_state.json run.yaml model/config.json data/dataset_info.json data/about_data.yaml".split()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(run_dir, name):
    (run_dir / name).unlink()
    with pytest.raises(MissingFactError, match=re.escape(str(run_dir / name))):
        render_card(run_dir)


@pytest.mark.parametrize(
    ("name", "remove"),
    [
        ("metrics.json", lambda content: content["train"].pop("hardware")),
        ("metrics.json", lambda content: content["test"]["classes"]["text"].pop("top1")),
        ("metrics.json", lambda content: content["test"]["baselines"].pop("unigram")),
        ("data/about_data.yaml", lambda content: content.pop("people")),
        ("data/dataset_info.json", lambda content: content["splits"]["train"].pop("events")),
        ("model/config.json", lambda content: content.pop("hidden_act")),
        ("trainer_state.json", lambda content: content.pop("epoch")),
    ],
)
def test_a_missing_value_is_named_with_its_file(run_dir, name, remove):
    change(run_dir, name, remove)
    with pytest.raises(MissingFactError, match=re.escape(str(run_dir / name))):
        render_card(run_dir)


def test_weights_that_are_not_there_cannot_be_counted(run_dir):
    assert count_parameters(run_dir / "model") == 9605
    (run_dir / "model" / "model.safetensors").unlink()
    with pytest.raises(MissingFactError, match="safetensors"):
        render_card(run_dir)


def test_kept_text_a_resumed_run_and_a_missing_commit_are_said(run_dir):
    change(run_dir, "data/dataset_info.json", lambda info: info.update(keep_typed_text=True))
    change(run_dir, "metrics.json", lambda metrics: metrics.update(git_commit=None))
    change(run_dir, "metrics.json", lambda metrics: metrics["train"].update(resumed_from="checkpoint-80"))
    card = render_card(run_dir)
    assert "**Typed text:** kept, other than passwords." in card
    assert "1.50 hours since it went on from checkpoint-80" in card
    assert "installed from a package, not from git" in card


def test_the_run_script_writes_the_card_of_a_folder(run_dir, repository_root, capsys):
    about = repository_root / "model_cards" / "about_samples.yaml"
    write_model_card.main([str(run_dir), "--repo-id", "user/x", "--about-data", str(about)])
    assert capsys.readouterr().out.strip() == str(run_dir / "model" / "README.md")
    expected = render_card(run_dir, repo_id="user/x", about_data=about)
    assert (run_dir / "model" / "README.md").read_text() == expected
    assert "Every visitor is a script" in expected


def test_the_run_script_says_what_is_missing_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"write_model_card: .*config\.json"):
        write_model_card.main([str(tmp_path)])
