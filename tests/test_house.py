"""The laws of the house: what each folder may import, what is packed, what a name may be."""

import ast
import re
import subprocess
import sys
from collections import Counter
from configparser import ConfigParser
from pathlib import Path

import pytest
from island_imports import foreign_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CODE_FOLDERS = (
    "modeling",
    "tokenization",
    "datasets_scripts",
    "training",
    "run_scripts",
    "metrics",
    "apps",
    "model_cards",
)
# Arrows run one way: a folder imports from its own floor's list and from what lies below it.
FLOORS = [
    {"modeling", "tokenization"},
    {"training", "datasets_scripts", "model_cards", "metrics"},
    {"run_scripts", "apps", "benchmarks", "spaces"},
]
NAMES_THAT_MAY_REPEAT = {"__init__.py", "README.md", "requirements.txt"}  # the Hub names the last


def tracked_files():
    """Returns the files of the repository, as git sees them: tracked, or new and not ignored."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    paths = [Path(name) for name in sorted(set(filter(None, names)))]
    return [path for path in paths if (ROOT / path).is_file()]


def python_files(*folders):
    """Returns the tracked .py files of the named folders, or of all."""
    return [path for path in tracked_files() if path.suffix == ".py" and (not folders or path.parts[0] in folders)]


def modules_imported(path):
    """Returns the absolute names of the modules a file imports, in any scope."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


FAMILY_FILES = [
    path for path in python_files("modeling", "tokenization") if len(path.parts) == 3 and path.name != "__init__.py"
]


@pytest.mark.parametrize("path", FAMILY_FILES, ids=str)
def test_a_family_file_imports_only_what_the_hub_copies_with_it(path):
    siblings = {sibling.stem for sibling in (ROOT / path.parent).glob("*.py")}
    assert foreign_imports(ROOT / path, siblings) == []


def test_there_are_families_to_check():
    assert {path.parts[1] for path in FAMILY_FILES} >= {"rrweb_bert", "rrweb"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("import traceformers", "not on the allow-list"),
        ("import pandas", "not on the allow-list"),
        ("def f():\n    import orjson", "outside a `try`"),
        ("try:\n    import numba\nexcept OSError:\n    numba = None", "outside a `try`"),
        ("from ..common import x", "only `.sibling`"),
        ("from . import leaf", "only `.sibling`"),
        ("from .sub.leaf import x", "only `.sibling`"),
        ("from .absent import x", "not in its folder"),
        ('"""Text.\n\nfrom .leaf import x\n"""', "starts like a relative import"),
        ("import sentence_transformers", "not on the allow-list"),
    ],
)
def test_the_check_of_imports_finds_each_fault(tmp_path, line, fault):
    path = tmp_path / "modeling_x.py"
    path.write_text(line)
    assert any(fault in found for found in foreign_imports(path, {"leaf"}))


@pytest.mark.parametrize(
    "line",
    [
        "import json\nimport torch.nn as nn\nfrom transformers import AutoModel\nfrom .leaf import x",
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None",
    ],
)
def test_the_check_of_imports_lets_the_allowed_ones_pass(tmp_path, line):
    path = tmp_path / "modeling_x.py"
    path.write_text(line)
    assert foreign_imports(path, {"leaf"}) == []


def test_file_names_are_unique_in_the_whole_repository():
    data = ("samples", "golden", "configs", "results")
    counted = Counter(path.name for path in tracked_files() if not set(path.parts) & set(data))
    assert [name for name, count in counted.items() if count > 1 and name not in NAMES_THAT_MAY_REPEAT] == []


def test_code_is_imported_as_traceformers_and_never_by_a_bare_folder_name():
    bare = {
        (str(path), name)
        for path in python_files()
        for name in modules_imported(path)
        if name.split(".")[0] in CODE_FOLDERS
    }
    assert bare == set()


def test_arrows_between_folders_run_one_way():
    floor_of = {folder: floor for floor, folders in enumerate(FLOORS) for folder in folders}
    wrong = []
    for path in python_files(*floor_of):
        here = floor_of[path.parts[0]]
        for name in modules_imported(path):
            there = floor_of.get(name.partition(".")[2].partition(".")[0]) if name.startswith("traceformers.") else None
            if there is not None and there > here:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_no_app_imports_another():
    wrong = []
    for path in python_files("apps"):
        others = [name.split(".")[2] for name in modules_imported(path) if name.startswith("traceformers.apps.")]
        wrong += [f"{path} imports apps.{other}" for other in others if len(path.parts) > 2 and other != path.parts[1]]
    assert wrong == []


def test_no_code_writes_or_reads_a_pickle():
    pickling = re.compile(
        r"\b(import pickle|from pickle|torch\.load\(|torch\.save\(|joblib\.|allow_pickle=True|read_pickle)"
    )
    found = [
        str(path)
        for path in python_files(*CODE_FOLDERS, "benchmarks", "spaces")
        if pickling.search((ROOT / path).read_text())
    ]
    assert found == []


def test_importing_the_package_or_its_command_line_loads_no_torch():
    script = "import sys, traceformers.cli; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_public_names_resolve_and_register_their_auto_classes():
    from transformers import AutoConfig

    import traceformers

    for name in dir(traceformers):
        assert getattr(traceformers, name) is getattr(traceformers, name)
    config = AutoConfig.for_model("rrweb_bert")
    assert type(config) is traceformers.RRWebBertConfig
    with pytest.raises(AttributeError, match=r"it has .*RRWebBertModel"):
        _ = traceformers.NoSuchModel


def test_constraints_name_one_version_that_each_requirement_allows():
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = re.fullmatch(r"([a-z0-9.-]+)==([0-9][^\s;@+]*)", line).groups()
            assert canonicalize_name(name) not in pinned, f"{name} is pinned twice"
            pinned[canonicalize_name(name)] = version
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    requirements = [Requirement(line) for text in lists for line in text.split("\n") if line.strip()]
    for requirement in requirements:
        if requirement.name != "traceformers":
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, str(requirement)
    torch = next(requirement for requirement in requirements if requirement.name == "torch")
    assert any(specifier.operator in ("<", "<=") for specifier in torch.specifier), "torch needs an upper bound"


def test_pyproject_holds_only_the_build_system_and_ruff():
    import tomllib

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sorted(tables) == ["build-system", "tool"]
    assert sorted(tables["tool"]) == ["ruff"]


def test_source_files_stay_readable_in_length():
    long = {str(path): len((ROOT / path).read_text().splitlines()) for path in python_files()}
    assert {path: lines for path, lines in long.items() if lines > 500 and "/modeling_" not in path} == {}


# Written so that no pattern matches itself.
NEVER_MENTIONED = {
    "a package registry's host": r"pypi\.or[g]|pythonhosted\.or[g]|npmj[s]\.(?:org|com)|download\.pytorch\.or[g]",
    "a path of one machine": r"/work/(?:mai[n]|share[d])|/root/[.]|/home/(?!runner\b)\w+/",
    "an issue by number": r"\b(?:issue|ticket|PR) #\d+",
    "an assistant": r"\bAI assistan[t]\b|\blanguage model wrot[e]\b",
    "work that is not done": r"#\s*(?:TOD[O]|FIXM[E]|XX[X])\b",
}


@pytest.mark.parametrize("what", NEVER_MENTIONED)
def test_no_file_mentions(what):
    found = []
    for path in tracked_files():
        if not set(path.parts) & {"samples", "golden"}:
            for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
                if re.search(NEVER_MENTIONED[what], line):
                    found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert found == []
