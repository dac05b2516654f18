"""The documentation site builds, its links lead somewhere, and it needs nothing from elsewhere."""

import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def site(tmp_path_factory, repository_root):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    result = subprocess.run(command, cwd=repository_root, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr  # strict: a link that leads nowhere is an error
    return folder


def test_every_family_has_a_tutorial_and_an_api_page_with_its_classes(site):
    for page, name in (("rrweb", "RRWebTokenizer"), ("ngram", "NgramEncoderModel"), ("recommenders", "SASRecModel")):
        assert re.search(rf'id="traceformers[\w.]*\.{name}"', (site / "api" / f"api_{page}.html").read_text())
    for page in ("rrweb_bert", "ngram_encoder", "recommenders", "productive_feed"):
        assert (site / f"{page}.html").is_file()


def test_the_home_page_is_the_readme_with_links_that_lead_to_pages(site):
    home = (site / "index.html").read_text()
    assert 'href="recommenders.html"' in home
    assert 'href="tokenization/rrweb/index.html#privacy"' in home


def test_the_benchmarks_page_shows_what_the_results_hold(site):
    page = (site / "benchmarks.html").read_text()
    assert page.count("<table>") >= 5
    assert "benchmarks/training_step.py" in re.sub(r"<[^>]+>", "", page)


def test_pages_load_nothing_from_another_host(site):
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"')
    foreign = {url for page in site.rglob("*.html") for url in loaded.findall(page.read_text())}
    assert not foreign
