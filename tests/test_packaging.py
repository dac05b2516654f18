"""Wheel and source distribution hold what git holds: `find:` silently drops what no rule names."""

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from test_house import CODE_FOLDERS, ROOT, tracked_files

TRACKED = tracked_files()
PACKED = sorted(
    [f"traceformers/{path}" for path in TRACKED if path.parts[0] in CODE_FOLDERS]
    + [f"traceformers/{name}" for name in ("__init__.py", "cli.py", "py.typed")]
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with a wheel and an sdist, built from a copy of the tracked files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    links = [path for path in (ROOT / "src/traceformers").iterdir() if path.is_symlink()]
    for path in [*TRACKED, *(link.relative_to(ROOT) for link in links)]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path, follow_symlinks=False)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    run = subprocess.run(build, cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return out


def test_the_wheel_holds_every_tracked_file_of_the_code_folders_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert sorted(names) == PACKED


def test_the_source_distribution_holds_real_files_and_not_links(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if "/src/traceformers/" in member.name]
    assert not [member.name for member in members if member.issym()]
    files = [member.name.partition("/src/")[2] for member in members if member.isfile()]
    assert sorted(files) == PACKED


def test_the_wheel_says_licence_requirements_and_command(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.rpartition("/")[2]: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name
        }
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Requires-Dist: torch<" in texts["METADATA"]
    assert "traceformers = traceformers.cli:main" in texts["entry_points.txt"]
    assert "Apache License" in texts["LICENSE"]
