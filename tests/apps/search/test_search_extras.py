"""What is optional is named when it is missing, and nothing heavy is loaded without need."""

import subprocess
import sys

import pytest
from tiny_encoder_folder import encoder_folder

from traceformers.apps.search.search_index import SearchIndex

WITHOUT = "import sys; sys.modules[{package!r}] = None; import {module}"


@pytest.mark.parametrize(
    ("package", "module"), [("faiss", "search_vectors"), ("bm25s", "search_words"), ("Stemmer", "search_words")]
)
def test_a_missing_package_is_told_with_what_installs_it(package, module):
    script = WITHOUT.format(package=package, module=f"traceformers.apps.search.{module}")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'traceformers[search]'" in done.stderr.splitlines()[-1]


def test_a_query_to_a_symmetric_index_loads_no_torch(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("red house\nblue river\n")
    SearchIndex.build(tmp_path / "index", corpus, str(encoder_folder()), mode="hybrid")
    script = (
        "import sys; from traceformers.apps.search.search_index import SearchIndex; "
        "print(SearchIndex(sys.argv[1]).query(['a river'])[0][0].id, {'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "index")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "corpus.txt:2 set()"
