"""transformers' own common tests, which only its source distribution holds: fetched, completed and made importable.

The distribution has the files at the top of `tests/` and not the folders they import from. What is missing there is
about exporting and generating text, which an encoder does not do, so empty classes stand in.
"""

import subprocess
import sys
import tarfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import transformers

MISSING = {
    "__init__.py": "",
    "exporters/__init__.py": "",
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "generation/__init__.py": "",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/__init__.py": "",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
    "fixtures/sample_text.txt": "The first line of a text.\nAnd a second one.\n",
}


def upstream_tests(folder):
    """Makes the package `transformers_tests` importable: the tests of the version of transformers that is installed.

    Args:
        folder: where the distribution is downloaded to, once, by pip from the index it is set up for.
    """
    name = f"transformers-{transformers.__version__}"
    tests = Path(folder) / name / "tests"
    if not tests.is_dir():
        download = [
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            "--no-build-isolation",
            "--dest",
            folder,
        ]
        wanted = f"transformers=={transformers.__version__}"
        subprocess.run([sys.executable, "-m", "pip", *map(str, download), wanted], check=True)
        with tarfile.open(Path(folder) / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    for path, content in MISSING.items():
        (tests / path).parent.mkdir(parents=True, exist_ok=True)
        (tests / path).write_text(content)
    # Under a name of its own: `tests` is this repository's folder.
    spec = spec_from_file_location("transformers_tests", tests / "__init__.py", submodule_search_locations=[str(tests)])
    sys.modules[spec.name] = module_from_spec(spec)
