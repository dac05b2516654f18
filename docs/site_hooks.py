"""What the documentation site takes from beside docs/: the documents of other folders, and the figures of benchmarks.

mkdocs calls these functions by name (https://www.mkdocs.org/user-guide/plugins/#events). A link in a document holds in
the repository; on the site it leads to the page made of its target, or, where that is a source file, stays plain text.
"""

import json
import posixpath
import re
import subprocess
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
HOME = {"README.md": "index.md"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
#: A figure of a benchmark is shown unless it tells what machine or memory it was, at length.
LONGEST_VALUE = 40


def documents():
    """Returns the tracked documents and pictures outside docs/ as paths of the repository, without tests'."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "*.md"], capture_output=True, text=True, check=True
    ).stdout.split()
    return [path for path in listed if not path.startswith(("docs/", "tests/", "spaces/"))]


def page_of(path):
    """Returns where a path of the repository is on the site."""
    return HOME.get(path, path.removeprefix("docs/"))


def repository_path(page):
    """Returns the path in the repository that a page was made of."""
    pages = {page_of(path): path for path in documents()}
    return pages.get(page, f"docs/{page}")


def on_files(files, config):
    """Adds the documents of other folders."""
    for path in documents():
        files.append(File.generated(config, page_of(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads links to pages, and puts the figures of benchmarks where a page asks for them."""
    path = repository_path(page.file.src_uri)
    here = posixpath.dirname(path)

    def lead(match):
        picture, text, target, anchor = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        wanted = posixpath.normpath(posixpath.join(here, target))
        for candidate in (wanted, posixpath.join(wanted, "README.md")):
            if files.get_file_from_path(page_of(candidate)):
                start = posixpath.dirname(page.file.src_uri) or "."
                return f"{picture}[{text}]({posixpath.relpath(page_of(candidate), start)}{anchor or ''})"
        if not (ROOT / wanted).exists():
            return match[0]  # left for mkdocs to complain of
        return text if "`" in text else f"`{wanted}`" if picture else text

    return LINK.sub(lead, markdown).replace("<!-- benchmark results -->", benchmark_tables())


def benchmark_tables():
    """Returns the lines of benchmarks/results as Markdown, a section a benchmark and a table a command."""
    lines = []
    for file in sorted((ROOT / "benchmarks" / "results").glob("*.jsonl")):
        lines += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    sections = []
    for name in dict.fromkeys(line["benchmark"] for line in lines):
        sections.append(f"\n## {name.replace('_', ' ')}\n")
        runs = [line for line in lines if line["benchmark"] == name]
        for command in dict.fromkeys(line.get("command") for line in runs):
            rows = [line for line in runs if line.get("command") == command]
            sections.append(f"```bash\n{command}\n```\n\n{_table(rows)}\n")
    return "\n".join(sections)


def _table(rows):
    """Returns a Markdown table of dicts; nested and long values are left out, they are in the file."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if name not in ("benchmark", "command"))
    shown = [name for name in names if all(_cell(row.get(name)) is not None for row in rows)]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in shown) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value):
    """Returns a value as a cell of a table; None for what does not fit into one."""
    if isinstance(value, (dict, list)):
        return None
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    text = "" if value is None else str(value)
    return text.replace("|", "\\|") if len(text) <= LONGEST_VALUE else None
