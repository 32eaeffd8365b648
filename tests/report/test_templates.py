"""Every call of a macro in the templates of pages gives its parameters, also in parts that few experiments reach."""

from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

import ambiser.report

FOLDER = Path(ambiser.report.__file__).parent
TREES = {path.name: jinja2.Environment().parse(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.j2")}
MACROS = {macro.name: macro for tree in TREES.values() for macro in tree.find_all(nodes.Macro)}


@pytest.mark.parametrize("name", sorted(TREES))
def test_macros_get_as_many_arguments_as_they_need(name):
    for call in TREES[name].find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in MACROS:
            macro = MACROS[call.node.name]
            given = len(call.args) + len(call.kwargs)
            most = len(macro.args)
            assert most - len(macro.defaults) <= given <= most, f"{name}, line {call.lineno}: {call.node.name}"
