"""Everything that programs written for the C++ libValkka use is there, with its names, arguments and defaults."""

from __future__ import annotations

import gc
import importlib
import inspect
import re
import tempfile
import uuid
import weakref
from typing import Any

import pytest

import interface
from valkka import core

# What constructors and methods are handed in these tests, by the name of the argument.
SAMPLES: dict[str, Any] = {
    "n_slot": 1,
    "mstimedelta": 100,
    "msinterval": 1000,
    "target_width": 64,
    "target_height": 48,
    "n_cells": 4,
    "n_bytes": 1000,
    "n_size": 1000,
    "width": 64,
    "height": 48,
    "interval": 100,
    "treshold": 0.1,
    "duration": 1000,
    "pycallback": print,
    "blocksize": 4096,
    "n_blocks": 2,
}

# Where files are made.
FOLDER = tempfile.TemporaryDirectory()

CONSTRUCTIBLE = [name for name, one in interface.CLASSES.items() if one.arguments not in (None, interface.ANY)]


@pytest.mark.parametrize("name", interface.CLASSES)
def test_classes(name: str) -> None:
    expected = interface.CLASSES[name]
    found = getattr(core, name)
    assert expected.base in [base.__name__ for base in found.__mro__[1:]]
    if expected.arguments not in (None, interface.ANY):
        assert_arguments(found, expected.arguments)


METHODS = [(name, method) for name, one in interface.CLASSES.items() for method in one.methods]


@pytest.mark.parametrize(("name", "method"), METHODS, ids=map(".".join, METHODS))
def test_methods(name: str, method: str) -> None:
    assert_arguments(getattr(getattr(core, name), method), interface.CLASSES[name].methods[method], bound_to="self")


@pytest.mark.parametrize("name", interface.FUNCTIONS)
def test_functions(name: str) -> None:
    assert_arguments(getattr(core, name), interface.FUNCTIONS[name])


@pytest.mark.parametrize("name", interface.CONSTANTS)
def test_constants(name: str) -> None:
    value = getattr(core, name)
    assert value == interface.CONSTANTS[name]
    assert type(value) is type(interface.CONSTANTS[name]), "enumerations are plain numbers"


@pytest.mark.parametrize(("made", "fields"), interface.FIELDS)
def test_fields_of_parameters(made: str, fields: str) -> None:
    names = {**vars(core), "filter": core.DummyFrameFilter("filter")}
    context = eval(made, names)
    for field, value in eval(f"dict({fields})", names).items():
        assert getattr(context, field) == value, field
        setattr(context, field, value)
        assert getattr(context, field) == value, field


@pytest.mark.parametrize("name", interface.CLASSES)
def test_classes_that_cannot_be_constructed(name: str) -> None:
    if interface.CLASSES[name].arguments is None:
        with pytest.raises(AttributeError, match="No constructor defined"):
            getattr(core, name)()


@pytest.mark.parametrize("name", interface.CLASSES)
def test_classes_can_be_derived_from(name: str) -> None:
    assert type("Derived", (getattr(core, name),), {})


@pytest.mark.parametrize("name", CONSTRUCTIBLE)
@pytest.mark.parametrize("by", ["position", "keyword"])
def test_constructors(name: str, by: str) -> None:
    required = {one: sample(one) for one in required_names(interface.CLASSES[name].arguments or "")}
    if by == "position":
        getattr(core, name)(*required.values())
    else:
        getattr(core, name)(**required)


@pytest.mark.parametrize("name", [*CONSTRUCTIBLE, *[name for name in interface.CLASSES if name.endswith("Context")]])
def test_objects_take_attributes_and_are_compared_by_identity(name: str) -> None:
    required = required_names(interface.CLASSES[name].arguments or "")
    made = [getattr(core, name)(*[sample(one) for one in required]) for _ in "ab"]
    made[0].not_a_field_of_ours = [1]
    assert made[0].not_a_field_of_ours == [1]
    assert made[0] == made[0]
    assert made[0] != made[1]
    assert len({made[0]: 1, made[1]: 2}) == 2
    assert name in repr(made[0])
    reference = weakref.ref(made[0])
    made.clear()
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("module", interface.API2)
def test_python_packages(module: str) -> None:
    found = importlib.import_module(module)
    missing = [name for name in interface.API2[module] if not hasattr(found, name)]
    assert not missing


@pytest.mark.parametrize("module", ["valkka.api2", "valkka.fs", "valkka.multiprocess"])
def test_star_imports_bring_everything(module: str) -> None:
    names: dict[str, Any] = {}
    exec(f"from {module} import *", names)
    public = [name for name in interface.API2[module] if not name.startswith("_")]
    assert not [name for name in public if name not in names]


@pytest.mark.parametrize(("module", "name", "base"), interface.PYTHON_BASES)
def test_python_bases(module: str, name: str, base: str) -> None:
    found = importlib.import_module(module)
    assert issubclass(getattr(found, name), getattr(found, base))


PYTHON_CLASSES = [(module, name) for module, classes in interface.PYTHON_METHODS.items() for name in classes]


@pytest.mark.parametrize(("module", "name"), PYTHON_CLASSES, ids=map(".".join, PYTHON_CLASSES))
def test_python_methods(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    missing = [one for one in interface.PYTHON_METHODS[module][name] if not callable(getattr(found, one, None))]
    assert not missing


PYTHON_FUNCTIONS = [(module, name) for module, found in interface.PYTHON_FUNCTIONS.items() for name in found]


@pytest.mark.parametrize(("module", "name"), PYTHON_FUNCTIONS, ids=map(".".join, PYTHON_FUNCTIONS))
def test_python_functions(module: str, name: str) -> None:
    assert_arguments(getattr(importlib.import_module(module), name), interface.PYTHON_FUNCTIONS[module][name])


@pytest.mark.parametrize("name", interface.KEYWORDS)
def test_keywords_of_level_2(name: str) -> None:
    # A type, or a type with a default; None stands for anything, with the default None.
    found = getattr(importlib.import_module("valkka.api2"), name).parameter_defs
    for parameter in signature_of(interface.KEYWORDS[name]).parameters.values():
        assert parameter.name in found
        definition = found[parameter.name]
        if parameter.default is parameter.empty:
            assert isinstance(definition, type) or callable(definition)
        elif parameter.default is None:
            assert definition is None
        elif parameter.default is not ...:
            assert definition == (type(parameter.default), parameter.default)
        else:
            assert isinstance(definition, tuple)


def test_the_package() -> None:
    names: dict[str, Any] = {}
    exec("from valkka.core import *", names)
    assert names["core"] is core, "programs write core.NAME after a star import"
    assert names["os"].name == "posix"
    assert core.__version__ == "1.6.1"
    assert core.__file__
    assert importlib.import_module("valkka.core.valkka_core").LiveThread is core.LiveThread
    # A namespace package: other distributions put parts into it.
    assert getattr(importlib.import_module("valkka"), "__file__", None) is None


def test_nothing_is_missing() -> None:
    assert len(interface.CLASSES) == 71
    assert len(interface.FUNCTIONS) == 30
    assert len(interface.CONSTANTS) == 20


def sample(name: str) -> Any:
    """Something to hand as the argument of this name."""
    if name == "outfilter":
        return core.DummyFrameFilter("out")
    if name == "valkkafs":
        return core.ValkkaFS(sample("device_file"), sample("block_file"), 4096, 2)
    if name in ("device_file", "block_file"):
        return f"{FOLDER.name}/{uuid.uuid4()}"
    # Names are names of shared memory too, and must be unique.
    return f"test-{uuid.uuid4()}" if name == "name" else SAMPLES[name]


def required_names(arguments: str) -> list[str]:
    parameters = signature_of(arguments).parameters.values()
    return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty]


def signature_of(arguments: str) -> inspect.Signature:
    return inspect.signature(eval(f"lambda {arguments}: None"))


def assert_arguments(found: Any, arguments: str, bound_to: str | None = None) -> None:
    """Checks what a callable takes: names, order and defaults, all by position and by keyword."""
    actual = list(inspect.signature(found).parameters.values())
    if bound_to is not None and actual and actual[0].name == bound_to:
        actual = actual[1:]
    expected = list(signature_of(arguments).parameters.values())
    shown = f"({', '.join(str(one) for one in actual)}), and not ({re.sub('[.]{3}', 'any', arguments)})"
    assert len(actual) == len(expected), f"takes {shown}"
    for have, want in zip(actual, expected):
        assert have.kind == want.kind, f"takes {shown}"
        assert want.name == "_" or have.name == want.name, f"takes {shown}"
        if want.default is ...:
            assert have.default is not have.empty, f"takes {shown}"
        else:
            assert have.default == want.default, f"takes {shown}"
