"""Laws of the cards of all families, those to come included: no figure by hand, and what a reader has to be told."""

import ast
import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from jinja2 import Environment, nodes
from made_up_runs import RUNS, again

from traceformers.apps.hub.folder_checks import check_card
from traceformers.apps.hub.folder_kind import look_at
from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.card_of_run import WRITERS, kind_of_run, write_card_of_run

CARDS = Path(__file__).resolve().parent.parent.parent / "model_cards"
TEMPLATES = sorted(path.name for path in CARDS.glob("*.jinja"))
FAMILY_TEMPLATES = sorted(path.name for path in CARDS.glob("*.md.jinja"))
MODULES = sorted(path.name for path in CARDS.glob("*.py"))

NUMBER = re.compile(r"(?<![\w.#@])[-+]?\d+(?:[.,]\d+)*(?![\w])")
# Numbers that are names: of papers and where they appeared, of licences, formats, ranks and pages.
NAMES = re.compile(
    r"arXiv \d{4}\.\d{4,5}|\b(?:[A-Z][A-Za-z]+ )?(?:19|20)\d\d\b|\b(?i:apache|cc0|cc-by)-\d\.\d\b|rrweb \d\b|"
    r"\w+@\d+|F1\b|top-?\d\b|BGE-M3|SHA-\d+|CO2|log2|utf-8|ISO 3166"
)
#: What else a template may say in digits, and why it is no figure of a run.
DEFINITIONS = {
    "rrweb_trimodal.md.jinja": {"1": "length of a unit vector"},
    "session_encoder.md.jinja": {
        "1": "1 / rank, the definition of MRR",
        "3": "sessions of the smallest site that is asked",
    },
}
#: Numbers in the code of cards that turn one unit into another or count from the start.
UNITS = {0, 1, 2, 60, 100, 1000, 3600, 9000}


def prose_of(template):
    """Returns what a template says by itself: no expressions, no code, no names of papers."""
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.S)
    text = re.sub(r"```.*?```", "", text, flags=re.S)  # code, which other tests run, and BibTeX
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.S)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text)
    return NAMES.sub(" ", text)


def numbers_in(text):
    return NUMBER.findall(text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_no_number_by_itself(name):
    allowed = DEFINITIONS.get(name, {})
    found = [number for number in numbers_in(prose_of((CARDS / name).read_text())) if number not in allowed]
    assert found == [], f"{name} says {found} itself: read each from metrics.json, or tell here why it is no figure"


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_expression_of_a_template_brings_no_number_of_its_own(name):
    tree = Environment().parse((CARDS / name).read_text())
    printed = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    constants = [
        constant.value
        for expression in printed
        if not isinstance(expression, nodes.TemplateData)
        for constant in [expression, *expression.find_all(nodes.Const)]
        if isinstance(constant, nodes.Const)
    ]
    numbers = [value for value in constants if isinstance(value, int | float) and value not in UNITS | {10, 0.01}]
    strings = [value for value in constants if isinstance(value, str) and not value.startswith("%")]
    said = [number for value in strings for number in numbers_in(NAMES.sub(" ", value))]
    assert numbers == [] and [number for number in said if number not in ("2",)] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_code_of_a_card_brings_no_number_of_its_own(name):
    tree = ast.parse((CARDS / name).read_text())
    texts = {id(node.body[0].value) for node in ast.walk(tree) if hasattr(node, "body") and _has_docstring(node)}
    settings = {"SECONDS_BETWEEN", "EXAMPLE_ITEMS"}  # of a measurement, and of an example: not on the card as figures
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and {getattr(target, "id", "") for target in node.targets} & settings:
            texts.add(id(node.value))
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in texts or isinstance(node.value, bool | None):
            continue
        if isinstance(node.value, int | float) and node.value not in UNITS | {3}:
            found.append(node.value)
        elif isinstance(node.value, str) and not re.match(r"[%{]?[:,.]?[+,.]*\d*\.?\d*[fgd%]", node.value):
            found += numbers_in(NAMES.sub(" ", node.value))
    allowed = {
        "ngram_card.py": ["12"],  # the border of short texts, which the evaluation of run_distillation.py defines
        "recommender_card.py": ["0"],  # from where on the setting `recency` does something
    }
    assert [one for one in found if one not in allowed.get(name, ())] == []


def _has_docstring(node):
    body = node.body if isinstance(node.body, list) else []
    return bool(body) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)


def test_the_law_finds_a_figure_written_by_hand():
    assert numbers_in(prose_of("It reaches 93.5 % in {{ x }} runs, see arXiv 1703.06114 (ICLR 2017).")) == ["93.5"]
    assert numbers_in(prose_of("An NDCG@10 of 0.41, `k=10`, Apache-2.0")) == ["0.41"]
    assert numbers_in(prose_of("{{ figures['ndcg@10'] }} of {# 12 #} items, 3 of them")) == ["3"]


@pytest.mark.parametrize("name", FAMILY_TEMPLATES)
def test_every_card_tells_of_data_privacy_limits_energy_licence_and_code(name):
    text = (CARDS / name).read_text()
    headings = "\n".join(re.findall(r"^#+ .*$", text, flags=re.M)).lower()
    assert text.startswith("---\n{{ metadata }}\n---\n")
    for word in ("data and privacy", "how to use", "evaluation", "training", "licence"):
        assert word in headings, f"{name} has no section {word!r}"
    assert re.search(r"limits|risks", headings), f"{name} has no section on limits or risks"
    energy = "energy_line(energy)" in text or "emissions.csv" in text
    assert energy, f"{name} has no line on energy: import energy_line of card_partials.jinja"
    for word in ("repo_id", "revision", "command", "git_commit", "trust_remote_code"):
        assert word in text, f"{name} does not tell {word}"
    assert re.search(r"licence", text) and re.search(r"people", text, flags=re.I)
    assert not re.search(r"more information needed|\bTBD\b|lorem ipsum", text, flags=re.I)


# -- cards of made-up runs ----------------------------------------------------------------------------------


def _numbers(value):
    """Yields all numbers in a JSON value, those in its strings too."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _numbers(key)
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, str):
        yield from (float(number.replace(",", "")) for number in re.findall(r"\d+(?:\.\d+)?", value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def numbers_of_files(folder):
    """Returns all numbers in the JSON files of a run, sorted."""
    files = [path for path in folder.rglob("*") if path.suffix in (".json", ".yaml", ".csv")]
    return np.unique([number for path in files for number in _numbers(_read(path))])


def _read(path):
    text = path.read_text()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def untraced(card, folder):
    """Returns the figures in the tables of a card that no file of its run holds, as shown or in percent."""
    known = numbers_of_files(folder)
    rows = [line for line in card.split("## Architecture")[0].splitlines() if line.startswith("|")]
    found = []
    for cell in [cell for row in rows for cell in row.strip("|").split("|") if not set(row) <= set("|-: ")]:
        for shown in re.findall(
            r"(?<![\w.@-])\d[\d,]*(?:\.\d+)?(?![\w.])", re.sub(r"\w+@\d+|@\d+|\d+[-+]\d*", " ", cell)
        ):
            value, digits = float(shown.replace(",", "")), len(shown.partition(".")[2])
            near = 0.5000001 * 10**-digits
            if not any(np.abs(known * factor - value).min() <= near for factor in (1, 100)):
                found.append(shown)
    return found


@pytest.fixture(params=RUNS)
def made(request, tmp_path):
    """(folder of a run that never was, its card) of each family."""
    return RUNS[request.param](tmp_path)


def test_every_figure_in_a_table_is_in_a_file_of_the_run(made):
    folder, path = made
    assert untraced(path.read_text(), folder) == []
    assert untraced("| made by hand | 0.98765 |", folder) == ["0.98765"]


def test_every_result_of_the_model_index_is_in_a_file_of_the_run_to_the_last_digit(made):
    folder, path = made
    values = [one.metric_value for one in ModelCard.load(path).data.eval_results]
    known = set(numbers_of_files(folder).tolist())
    assert values and not [value for value in values if float(value) not in known]


def test_measured_energy_is_told_in_the_text_and_in_the_header(made):
    folder, path = made
    assert "not measured" in path.read_text()
    columns = "energy_consumed,emissions,country_name,codecarbon_version"
    (folder / "emissions.csv").write_text(f"{columns}\n0.5,0.125,Iceland,3.0\n0.25,0.0625,Iceland,3.0\n")
    card = ModelCard.load(again(folder))
    assert "**Energy:** 0.750 kWh, 188 g CO2 equivalent (Iceland), measured by codecarbon 3.0." in card.text
    emissions = card.data.to_dict()["co2_eq_emissions"]
    assert emissions["emissions"] == 187.5 and emissions["geographical_location"] == "Iceland"
    assert emissions["hardware_used"]


def test_the_card_of_a_run_is_found_by_what_the_run_left(made):
    folder, path = made
    expected = path.read_text()
    path.unlink()
    assert write_card_of_run(folder, repo_id="user/made-up", revision="v1") == path
    assert path.read_text() == expected


def test_every_card_of_a_family_can_be_found():
    modules = {f"{module}.py" for module, _ in WRITERS.values()}
    assert {name for name in MODULES if name == "card.py" or name.endswith("_card.py")} == modules
    for module, writer in WRITERS.values():
        assert callable(getattr(importlib.import_module(f"traceformers.model_cards.{module}"), writer))


def test_runs_of_sessions_are_told_apart(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "rrweb_bert"}')
    (tmp_path / "metrics.json").write_text("{}")
    assert kind_of_run(tmp_path) == "rrweb_bert"
    (tmp_path / "model" / "1_Dense").mkdir()
    assert kind_of_run(tmp_path) == "encoder of sessions"
    (tmp_path / "metrics.json").write_text('{"task": "next action"}')
    assert kind_of_run(tmp_path) == "task on sessions"
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(MissingFactError, match="has 'bert'"):
        kind_of_run(tmp_path)


def test_a_card_passes_the_check_of_a_push(made):
    folder, _ = made
    assert check_card(look_at(folder), "user/made-up")[0] == []
    assert sorted(check_card(look_at(folder), "user/other")[0])[0].startswith("the code on the card loads user/made-up")
