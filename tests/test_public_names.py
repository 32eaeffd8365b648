"""The public names of the package: few, documented by examples that run, and imported on first use."""

import doctest
import inspect
import re
import subprocess
import sys

import pytest

import ambiser


def test_every_public_name_has_a_docstring_and_an_example():
    assert len(ambiser.__all__) <= 15 and ambiser.__all__ == sorted(ambiser.__all__)
    examples = "".join(example.source for example in doctest.DocTestParser().get_examples(ambiser.__doc__))
    for name in ambiser.__all__:
        assert re.search(rf"\bambiser\.{name}\b", examples), name
        assert inspect.getdoc(getattr(ambiser, name)), name


def test_the_examples_give_what_they_show():
    result = doctest.testmod(ambiser)
    assert result.attempted > 15 and result.failed == 0


def test_public_functions_have_types():
    for name in ambiser.__all__:
        value = getattr(ambiser, name)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, name
            assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values()), name


def test_the_import_loads_nothing_heavy(environment):
    code = "import sys, ambiser; print(sorted({'torch', 'numpy', 'pydantic', 's3prl'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_loading_a_model_loads_no_torch_and_no_scipy(environment):
    code = (
        "import sys, ambiser, ambiser.inference.predict_files; ambiser.load_model('crema_d_whisper_tiny'); "
        "print(sorted({'torch', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ambiser' has no attribute 'lod_model'"):
        ambiser.lod_model  # noqa: B018 - the access raises
    assert set(ambiser.__all__) <= set(dir(ambiser))
