"""The load test runs against a service of its own and tells figures that belong together."""

import json
import subprocess
import sys

from tiny_encoder_folder import encoder_folder


def test_the_load_test_measures_a_real_service(repository_root):
    command = [sys.executable, "benchmarks/embedding_service_load.py", str(encoder_folder()), "--seconds", "0.5",
               "--concurrency", "4", "--texts-per-request", "3"]  # fmt: skip
    done = subprocess.run(command, cwd=repository_root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["exit_code"] == 0
    for level in record["levels"]:
        assert level["failures"] == 0 and level["requests"] > 0
        assert level["p50_ms"] <= level["p95_ms"] <= level["p99_ms"]
        assert level["texts_per_batch"] >= 3
