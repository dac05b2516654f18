"""Shows an `Example:` of a docstring as code; griffe, which reads docstrings for the site, knows `Examples:` only."""

import re

import griffe


class DocstringExamples(griffe.Extension):
    """Renames the section in every docstring that is read."""

    def on_object(self, *, obj, **kwargs):
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", obj.docstring.value)
