"""Tells whether a Python has the packages that setup.py lists; standard library only.

python tools/environment.py version          exit 0 when this Python is new enough
python tools/environment.py packages [test]  exit 0 when the packages are there, else lines with what is wrong
python tools/environment.py package          exit 0 when `import ambiser` finds this checkout, else a line
python tools/environment.py digest [lock]    a digest of setup.py, this Python, the path of the checkout [, the lock]
python tools/environment.py lock             exit 0 when requirements.lock is for this machine, else a line
python tools/environment.py oldest [test]    the lowest versions that setup.py allows, as constraints for pip

Imports are inside the functions: every call of run.sh asks for the version first, so that must be fast.
"""

import sys

OLDEST = (3, 10)
SETUP = __file__.replace("\\", "/").rsplit("/", 2)[0] + "/setup.py"
LOCK = SETUP[: -len("setup.py")] + "tools/requirements.lock"


def main(command, *extras):
    """Runs one of the commands above and returns the exit status."""
    if sys.version_info < OLDEST:
        print("Python %d.%d or newer is needed, this is %s" % (OLDEST + (sys.version.split()[0],)))
        return 2
    if command == "digest":
        import hashlib

        with open(SETUP, "rb") as stream:
            content = stream.read() + sys.version.encode() + SETUP.encode()
        if extras:
            with open(LOCK, "rb") as stream:
                content += stream.read()
        print(hashlib.sha256(content).hexdigest())
    elif command == "packages":
        lists = read_lists(SETUP)
        wanted = lists["REQUIRES"] + [one for extra in extras for one in expand(lists, extra)]
        faults = [fault for fault in map(missing, wanted) if fault]
        print("\n".join(faults))
        return 2 if faults else 0
    elif command == "lock":
        fault = other_platform()
        print(fault)
        return 2 if fault else 0
    elif command == "oldest":
        print("\n".join(oldest(extras)))
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


def platform_line():
    """Returns the Python and the platform that a lock is for."""
    import platform

    return "Python %d.%d, %s %s, without a GPU" % (*sys.version_info[:2], platform.system(), platform.machine())


def other_platform():
    """Returns a line when requirements.lock is for another Python or platform, or there is a GPU."""
    import shutil

    with open(LOCK, encoding="utf-8") as stream:
        wanted = stream.read().splitlines()[1].lstrip("# ")
    own = "this machine has a GPU" if shutil.which("nvidia-smi") else "this is " + platform_line()
    return "" if own == "this is " + wanted else "requirements.lock is for %s; %s" % (wanted, own)


def oldest(extras):
    """Returns 'name==version' for every requirement with a lower bound."""
    import re

    lists = read_lists(SETUP)
    wanted = lists["REQUIRES"] + [one for extra in extras for one in expand(lists, extra)]
    return ["%s==%s" % pair for line in wanted for pair in re.findall(r"^([A-Za-z0-9_.-]+)>=([\d.]+)", line)]


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
