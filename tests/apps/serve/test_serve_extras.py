"""What is optional is named when it is missing, and the service does without torch."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("package", "module"), [("fastapi", "embedding_service"), ("prometheus_client", "service_metrics")]
)
def test_a_missing_package_is_told_with_what_installs_it(package, module):
    script = f"import sys; sys.modules[{package!r}] = None; import traceformers.apps.serve.{module}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'traceformers[serve]'" in done.stderr.splitlines()[-1]


def test_the_service_loads_no_torch():
    script = (
        "import sys; from traceformers.apps.serve import embedding_service, query_encoder, serve_commands; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
