"""Imports go down, never up and never sideways; torch and s3prl stay where they belong."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "ambiser"
FLOOR_PLAN = (
    ("errors", "stages"),
    ("config", "io"),
    ("labels",),
    ("corpora", "scoring", "launch", "models", "losses"),
    ("features", "report"),
    ("train",),
    ("inference",),
    ("recipe",),
    ("bin",),
    ("__main__",),
)
FLOORS = {room: floor for floor, rooms in enumerate(FLOOR_PLAN) for room in rooms}
WITH_TORCH = {"models", "losses", "features", "train"}
AT_RUN_TIME = {"inference", "recipe", "bin", "__main__"}
"""The rooms that import torch, and those that do so inside functions only."""
README = PACKAGE / "README.md"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
PROGRAMS = sorted(path.stem for path in (PACKAGE / "bin").glob("*.py") if "run_main(main)" in path.read_text())
HEAVY = {"torch", "torchaudio", "s3prl", "transformers", "safetensors"}


@functools.cache
def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Returns the dotted names that a module imports, in functions too."""
    tree = parse(path)
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parse(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_module_has_a_floor():
    assert {place_of(path) for path in MODULES} == FLOORS.keys()


def test_the_readme_lists_every_room_with_its_floor_and_its_use_of_torch():
    listed = re.findall(r"^\| (\d) \| `(\w+)` \| .* \| ([\w ]+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    torch = dict.fromkeys(FLOORS, "no") | dict.fromkeys(WITH_TORCH, "yes") | dict.fromkeys(AT_RUN_TIME, "in functions")
    assert sorted((room, int(floor), use) for floor, room, use in listed) == sorted(
        (room, floor, torch[room]) for room, floor in FLOORS.items()
    )


def test_the_readme_names_files_that_exist(root):
    text = README.read_text(encoding="utf-8")
    folders = "ambiser|conf|egs|tests|tools"
    named = {name for name in re.findall(rf"`((?:{folders})/[\w./]+)`", text) if "NAME" not in name}
    missing = {name for name in named if not (root / name).exists()}
    assert missing == {"ambiser/bin/count_votes.py"}, "the example of a new stage, and nothing else"


def test_the_readme_names_objects_that_exist():
    text = README.read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    named = re.findall(r"`(_?[A-Z][A-Za-z]*[A-Za-z_]+)`", text)
    assert len(named) > 10
    assert {name for name in named if not re.search(rf"\b{name}\b", source)} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    own = place_of(path)
    others = {name.split(".")[1] for name in imports(path) if name.startswith("ambiser.")} - {own}
    for other in others:
        assert FLOORS[other] < FLOORS[own], f"{name_of(path)} imports ambiser.{other}"


@pytest.mark.parametrize("path", [p for p in MODULES if place_of(p) not in WITH_TORCH | AT_RUN_TIME], ids=name_of)
def test_only_four_rooms_import_torch(path):
    assert {name.split(".")[0] for name in imports(path)} & HEAVY == set()


@pytest.mark.parametrize("path", [p for p in MODULES if place_of(p) in AT_RUN_TIME], ids=name_of)
def test_programs_import_nothing_heavy_before_they_have_parsed_their_options(path):
    assert {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY == set()


def test_only_one_file_imports_s3prl():
    by = [name_of(path) for path in MODULES if any(name.split(".")[0] == "s3prl" for name in imports(path))]
    assert set(by) <= {"features/upstreams/upstream.py"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_reads_pickles_or_evaluates_text(path):
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert called not in {"eval", "exec", "os.system", "os.popen"}
        assert not called.startswith(("pickle.", "joblib.", "shelve.", "marshal."))
        assert called != "torch.load" or words.get("weights_only") == "True"
        assert words.get("allow_pickle", "False") == "False"
        assert words.get("shell", "False") == "False"


@pytest.fixture(scope="module")
def helped(run, root) -> dict[str, tuple[int, str]]:
    """Per program, the exit status of --help, and what it prints, then the slow modules that it has imported."""
    slow = sorted({*HEAVY, "numpy", "tqdm"})
    # Forks of one process that has imported what all programs import.
    code = (
        "import atexit, os, runpy, sys, ambiser.config, ambiser.io.console\n"
        f"for program in {PROGRAMS}:\n"
        "    print('PROGRAM', program, flush=True)\n"
        "    if (child := os.fork()) == 0:\n"
        "        sys.argv = [program, '--help']\n"
        f"        atexit.register(lambda: print('HEAVY', sorted(set({slow!r}) & sys.modules.keys())))\n"
        "        runpy.run_module(f'ambiser.bin.{program}', run_name='__main__')\n"
        "        os._exit(1)\n"
        "    print('STATUS', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
    )
    done = run(sys.executable, "-c", code, cwd=root)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^PROGRAM (\w+)\n(.*?)^STATUS (-?\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    return {program: (int(status), text) for program, text, status in found}


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_neither_torch_nor_numpy(program, helped):
    status, text = helped[program]
    assert status == 0
    assert "usage: " in text
    assert "HEAVY []" in text


def test_every_module_has_a_test_file_or_its_line_in_the_table_of_tests():
    tests = PACKAGE.parent / "tests"
    named = {path.stem.removeprefix("test_") for path in tests.rglob("test_*.py")}
    others = {
        name_of(path).removesuffix(".py") for path in MODULES if path.stem != "__init__" and path.stem not in named
    }
    rows = re.findall(r"^\| `(\S+\.py)` \| (.*) \|$", (tests / "README.md").read_text(), re.MULTILINE)
    listed = {module for _, modules in rows for module in re.findall(r"`([^`]+)`", modules)}
    assert listed == others
    assert [name for name, _ in rows if not (tests / name).is_file()] == []
