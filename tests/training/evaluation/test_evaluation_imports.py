import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "name",
    ["dense_search", "lexical_search", "rank_fusion", "ranked_evaluation", "student_doubt", "sts_agreement",
     "text_vectors"],
)  # fmt: skip
def test_what_a_search_needs_of_the_evaluation_is_imported_without_torch(name):
    script = f"import sys; sys.modules['torch'] = None; import traceformers.training.evaluation.{name}"
    subprocess.run([sys.executable, "-c", script], check=True)
