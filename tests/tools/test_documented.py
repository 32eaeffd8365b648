"""Every Python block of the documentation runs, and every command is parsed by its program or has a reason."""

import runpy

import pytest
from tools.documented import Block, blocks, check, commands

from tools.docs.pages import markdown_files

GENERATED = ("RESULTS.md", "/differences/", "models_shipped/crema_d")


def found(root) -> list[Block]:
    names = [name for name in markdown_files(root) if not any(part in name for part in GENERATED)]
    return [block for name in names for block in blocks(name, (root / name).read_text(encoding="utf-8"))]


def test_every_command_is_parsed_or_has_a_reason(root, capsys):
    faults, count = [], {}
    for block in found(root):
        for command in commands(block) if block.marker is None else ():
            try:
                answer = check(command, root, root / block.file)
            except ValueError as error:
                faults.append(f"{block.name()}: {error} {capsys.readouterr().err[-300:]}")
            else:
                count[answer] = count.get(answer, 0) + 1
    assert faults == []
    assert count["parsed"] > 80, count


def test_every_python_block_runs_or_has_a_reason(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in found(root):
        if block.language != "python":
            continue
        kind, words = block.marker or ("", "")
        if kind == "run by":
            assert (root / words).is_file(), f"{block.name()}: {words} does not exist"
        elif kind != "not run":
            (tmp_path / "block.py").write_text("\n".join(block.lines))
            runpy.run_path(str(tmp_path / "block.py"))
            ran += 1
    assert ran >= 2


def test_blocks_commands_and_markers_are_found(root):
    text = """
<!-- not run: it takes long -->
```python
a = 1
```

    ./run.sh --config ce   # comment
    python=$(tools/setup.sh) && "$python" -m ambiser \\
      info x

    two = 2
"""
    first, second = blocks("x.md", text)
    assert (first.language, first.lines, first.line) == ("python", ("a = 1",), 4)
    assert (first.marker, second.marker) == (("not run", "it takes long"), None)
    assert commands(second)[:3] == ["./run.sh --config ce", "python=$(tools/setup.sh)", '"$python" -m ambiser info x']
    assert [check(command, root, root) for command in commands(second)[:1]] == ["parsed"]
    for wrong in ("./run.sh --confg ce", "./run.sh --config no_such", "tools/no.sh", "ambiser predict", "ls"):
        with pytest.raises(ValueError):
            check(wrong, root, root)
