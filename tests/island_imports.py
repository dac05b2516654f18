"""What a file that is pushed to the Hub may import, read from its syntax tree.

Allowed: the standard library, torch, numpy, transformers, tokenizers, and `.sibling` in the same folder. An
optional package may be imported in a `try` at module top whose handler catches ImportError. `sentence_*.py`
may also import sentence_transformers.
"""

import ast
import re
import sys

ALLOWED = {"torch", "numpy", "transformers", "tokenizers"}
OPTIONAL = {"orjson", "msgspec", "cramjam", "numba", "faiss", "flash_attn"}
# transformers scans text, not syntax: such a line is an import for it even inside a docstring.
TEXT_IMPORT = re.compile(r"^\s*(?:from\s+\.\S*\s+import|import\s+\.)", re.MULTILINE)


def foreign_imports(path, siblings):
    """Returns a sentence for each import of `path` that is not allowed; `siblings` are module names."""
    source = path.read_text()
    tree = ast.parse(source)
    guarded = {node for block in tree.body if isinstance(block, ast.Try) for node in guarded_imports(block)}
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                faults += faults_of(path, name.name, node, node in guarded)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            faults += faults_of(path, node.module, node, node in guarded)
        elif isinstance(node, ast.ImportFrom):
            faults += faults_of_relative(path, node, siblings)
    real = sum(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))
    if len(TEXT_IMPORT.findall(source)) > real:
        faults.append(f"{path.name}: a line of a string starts like a relative import; the Hub takes it for one")
    return faults


def guarded_imports(block):
    """Returns the imports in a `try` whose handlers catch ImportError."""
    caught = {name.id for handler in block.handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
    if not caught & {"ImportError", "ModuleNotFoundError"}:
        return []
    return [node for line in block.body for node in ast.walk(line) if isinstance(node, ast.Import | ast.ImportFrom)]


def faults_of(path, module, node, guarded):
    package = module.split(".")[0]
    allowed = ALLOWED | ({"sentence_transformers"} if path.name.startswith("sentence_") else set())
    if package in sys.stdlib_module_names or package in allowed or (package in OPTIONAL and guarded):
        return []
    if package in OPTIONAL:
        return [f"{path.name}:{node.lineno} imports {package} outside a `try` at module top"]
    return [f"{path.name}:{node.lineno} imports {module}, which is not on the allow-list"]


def faults_of_relative(path, node, siblings):
    if node.level > 1 or node.module is None or "." in node.module:
        dots = "." * node.level
        return [f"{path.name}:{node.lineno} imports from {dots}{node.module or ''}: only `.sibling` is copied"]
    if node.module not in siblings:
        return [f"{path.name}:{node.lineno} imports .{node.module}, which is not in its folder"]
    return []
