"""The recorder's plan: (seed, index) decides it, now and in every later version."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import traceformers.datasets_scripts.rrweb_sessions.recorder as recorder

FOLDER = Path(recorder.__file__).resolve().parent
JQUERY_UI = "/usr/share/doc/libjs-jquery-ui-docs/examples/"
# Rows of the labels of recordings made with the recorder's first version, seed 1.
RECORDED = {
    0: ("browse", "engaged", "agency.test", "/index.html", "390x844", "default"),
    2: ("form", "engaged", "blog.test", "/contact.html", "1920x1080", "slim-nocss"),
    3: ("login", "engaged", "sbadmin.test", "/password.html", "1280x720", "checkout"),
    5: ("todo", "engaged", "todo.test", "/examples/flight/index.html", "1440x900", "console+custom"),
    6: ("widgets", "engaged", "jqui.test", JQUERY_UI + "selectmenu/default.html", "1920x1080", "sampled"),
    9: ("code", "engaged", "ace.test", "/editor.html", "1366x768", "default"),
    22: ("form", "engaged", "adminlte.test", "/pages/examples/contact-us.html", "1366x768", "mask-text"),
    24: ("table", "engaged", "tabler.test", "/tables.html", "1440x900", "default"),
    30: ("browse", "frustrated", "httpd.test", "/index.html", "1280x720", "sampled"),
}
DRAW = """
import { drawPlan } from './session_plan.mjs';
const [seed, filters] = JSON.parse(process.argv[1]);
const plans = Array.from({ length: 160 }, (_, index) => drawPlan(seed, index, filters));
console.log(JSON.stringify(plans));
"""

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="the recorder needs node")


def draw_plans(seed, **filters):
    command = ["node", "--input-type=module", "--eval", DRAW, json.dumps([seed, filters])]
    return json.loads(subprocess.run(command, cwd=FOLDER, check=True, capture_output=True).stdout)


def test_a_seed_gives_the_plans_it_always_gave():
    plans = draw_plans(1)
    for index, row in RECORDED.items():
        plan = plans[index]
        viewport = f"{plan['width']}x{plan['height']}"
        drawn = (plan["task"], plan["behaviour"], plan["site"], plan["start"], viewport)
        assert (*drawn, plan["config"]["name"]) == row


def test_tasks_and_behaviours_are_balanced_over_a_round():
    plans = draw_plans(5)
    assert set(Counter(plan["task"] for plan in plans).values()) == {16}
    behaviours = Counter(plan["behaviour"] for plan in plans)
    assert behaviours == {"engaged": 80, "frustrated": 30, "distracted": 20, "bot": 20, "bounce": 10}


def test_a_filter_leaves_the_rest_of_the_plan_alone():
    free, filtered = draw_plans(5), draw_plans(5, licences=["MIT"])
    kept = [(a, b) for a, b in zip(free, filtered, strict=True) if b]
    assert {b["task"] for _, b in kept} == {a["task"] for a in free} - {"code"}  # no editor under MIT
    assert len(kept) == 144
    assert all(a["person"] == b["person"] and a["startTimeMs"] == b["startTimeMs"] for a, b in kept)


def test_every_person_is_invented():
    for plan in draw_plans(6):
        assert plan["person"]["email"].split("@")[1] in ("example.com", "example.org", "example.net")
        assert plan["person"]["phone"].startswith("+1 555 01")


def test_every_package_of_the_setup_has_an_exact_version():
    script = (FOLDER / "setup.sh").read_text()
    lists = re.findall(r'^(?:NPM|MODULE)_PACKAGES="([^"]+)"', script, flags=re.MULTILINE)
    packages = " ".join(lists).split()
    assert len(packages) == 17
    assert all(re.fullmatch(r"(@[a-z-]+/)?[a-z0-9-]+@\d+\.\d+\.\d+", package) for package in packages)


def test_the_setup_refuses_a_part_it_does_not_know(tmp_path):
    run = subprocess.run(["sh", FOLDER / "setup.sh", tmp_path, "pages"], capture_output=True, text=True)
    assert run.returncode == 2 and "got 'pages'" in run.stderr
    assert not list(tmp_path.iterdir())


def test_the_commands_explain_themselves():
    for script in ("record_sessions.mjs", "check_recordings.mjs"):
        # Neither playwright nor a browser is needed to read the help.
        run = subprocess.run(["node", script, "--help"], cwd=FOLDER, capture_output=True, text=True)
        assert run.returncode == 0 and "example: node " + script in run.stdout
    run = subprocess.run(
        ["node", "record_sessions.mjs", "--work", "x", "--out", "y", "--to", "ten"],
        cwd=FOLDER, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2 and "--to: expected a whole number, got 'ten'" in run.stderr
