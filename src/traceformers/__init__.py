"""traceformers: models of the traces people leave, each loaded with `from_pretrained`.

`import traceformers` imports neither torch nor transformers. The first use of a public name imports its
family and registers the family's classes with the Auto classes: from then on
`AutoModel.from_pretrained(folder)` needs no `trust_remote_code`.

    >>> import traceformers
    >>> traceformers.RRWebBertConfig(hidden_size=64, num_attention_heads=4).model_type
    'rrweb_bert'

A family is a sub-package of `traceformers.modeling` whose `__init__` holds `AUTO_CLASSES`: for each of its model
types a mapping from the name of an Auto class to "module.Class". A new family needs no line here.
"""

from importlib import import_module
from pkgutil import iter_modules

__version__ = "0.1.0"


def __getattr__(name):
    """Returns the public class `name`; an AttributeError says which names there are."""
    if not name.startswith("_"):
        for family in _families():
            if name in _class_names(family):
                return _register(family)[name]
    raise AttributeError(f"module 'traceformers' has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__():
    """Returns the public names of all families."""
    return sorted({"__version__"}.union(*map(_class_names, _families())))


def _class_name(path):
    return path.rpartition(".")[2]


def _class_names(family):
    return {_class_name(path) for auto_classes in family for path in auto_classes.values()}


def _families():
    """Returns the AUTO_CLASSES of every family, without importing a model."""
    modeling = import_module("traceformers.modeling")
    names = [module.name for module in iter_modules(modeling.__path__) if module.ispkg]
    return [import_module(f"traceformers.modeling.{name}").AUTO_CLASSES for name in names]


def _register(family):
    """Returns {class name: class} of one family after registering each with its Auto class."""
    import transformers

    named = {}
    for auto_classes in family:
        classes = {
            auto: getattr(import_module(path.rpartition(".")[0]), _class_name(path))
            for auto, path in auto_classes.items()
        }
        config_class = classes["AutoConfig"]
        for auto, cls in classes.items():
            if auto == "AutoConfig":
                transformers.AutoConfig.register(cls.model_type, cls, exist_ok=True)
            elif auto == "AutoTokenizer":
                transformers.AutoTokenizer.register(config_class, slow_tokenizer_class=cls, exist_ok=True)
            else:
                getattr(transformers, auto).register(config_class, cls, exist_ok=True)
        named |= {cls.__name__: cls for cls in classes.values()}
    globals().update(named)  # the next use is a plain attribute
    return named
