"""Tells whether a Python has the packages that setup.py lists; standard library only.

python tools/environment.py version          exit 0 when this Python is new enough
python tools/environment.py packages [test]  exit 0 when the packages are there, else lines with what is wrong
python tools/environment.py package          exit 0 when `import ambiser` finds this checkout, else a line
python tools/environment.py digest           a digest of setup.py, this Python and the path of the checkout

Imports are inside the functions: every call of run.sh asks for the version first, so that must be fast.
"""

import sys

OLDEST = (3, 10)
SETUP = __file__.replace("\\", "/").rsplit("/", 2)[0] + "/setup.py"


def main(command, *extras):
    """Runs one of the commands above and returns the exit status."""
    if sys.version_info < OLDEST:
        print("Python %d.%d or newer is needed, this is %s" % (OLDEST + (sys.version.split()[0],)))
        return 2
    if command == "digest":
        import hashlib

        with open(SETUP, "rb") as stream:
            content = stream.read() + sys.version.encode() + SETUP.encode()
        print(hashlib.sha256(content).hexdigest())
    elif command == "packages":
        lists = read_lists(SETUP)
        wanted = lists["REQUIRES"] + [one for extra in extras for one in expand(lists, extra)]
        faults = [fault for fault in map(missing, wanted) if fault]
        print("\n".join(faults))
        return 2 if faults else 0
    elif command == "package":
        fault = other_package()
        print(fault)
        return 2 if fault else 0
    return 0


def other_package():
    """Returns a line when this Python finds no package ambiser, or that of another checkout."""
    import importlib.util
    import os

    sys.path[0] = os.getcwd()  # as for `python -m`; it was the folder of this file
    own = os.path.dirname(SETUP)
    found = importlib.util.find_spec("ambiser")
    place = os.path.dirname(os.path.dirname(found.origin)) if found and found.origin else ""
    if place and os.path.realpath(place) == os.path.realpath(own):
        return ""
    fault = "imports ambiser from %s" % place if place else "has no package ambiser"
    return "%s %s; for `python -m ambiser` of this checkout, first: export PYTHONPATH=%s" % (sys.executable, fault, own)


def read_lists(path):
    """Returns the lists of strings that a Python file assigns at its top, without running it."""
    import ast

    with open(path, encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    assigned = (node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}


def expand(lists, extra):
    """Returns the requirements of an extra, with those of the extras that it includes as 'ambiser[a,b]'."""
    found = []
    for line in lists[extra.upper()]:
        if line.startswith("ambiser["):
            found += [one for name in line[len("ambiser[") : -1].split(",") for one in expand(lists, name)]
        else:
            found.append(line)
    return found


def missing(requirement):
    """Returns a line when an installed package does not meet 'name>=1.2,<2', else an empty string."""
    import importlib.metadata
    import re

    name, ranges = re.match(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "%s is not installed" % requirement
    for operator, bound in re.findall(r"(>=|<)([\d.]+)", ranges):
        if (numbers(found) >= numbers(bound)) != (operator == ">="):
            return "%s is needed, %s is installed" % (requirement, found)
    return ""


def numbers(version):
    """Turns '2.11.0+cpu' into [2, 11] for comparing: trailing zeros do not count."""
    import re

    parts = [int(part) for part in re.match(r"\d+(?:\.\d+)*", version).group().split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
