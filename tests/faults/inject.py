"""Does harm to a tiny recipe at random, and checks that it ends in the same bytes or in one line of error.

    python tests/faults/inject.py --count 40                # all faults, all stages
    python tests/faults/inject.py --count 5 --faults kill   # some faults
    python tests/faults/inject.py --count 40 --seed 7       # the same faults again

A fault strikes one stage. Then its cause is taken away, the stage runs again, and its files must be those of a run
without faults. `disk` and `permission` need the rights of root. Exit status: 1 after another outcome.

    kill        SIGKILL to a random process of the run, or to all
    disk        a disk of random size
    permission  a folder without permission to write
    corrupt     a changed byte in a file of this stage or an earlier one, then this stage again and the next
    clock       all files a few days younger or older, at random
    two         two equal runs at once
    other       two runs with different configurations at once; one must be refused
    slurm       a run on a real Slurm: SIGKILL to the launcher, a job, a node or the controller, or scancel

The runs share a fork server, which saves most of their time; a fifth of them start cold.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from faults.recipe_run import Ended, RecipeRun, end_of, family, wait_for_all  # noqa: E402
from faults.slurm_faults import slurm  # noqa: E402
from faults.trial import SAME, Trial, after_fault, again  # noqa: E402

DAY_S = 86400
COLD_SHARE = 0.2


def kill(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Kills one process of a run, or all."""
    recipe.restore(stage - 1)
    process = recipe.start(stage, stage)
    at_s = rng.uniform(0, recipe.seconds[stage])
    time.sleep(at_s)
    everyone = [*family(process), *recipe.forks()]
    victims = everyone if rng.random() < 0.5 else rng.sample(everyone, min(1, len(everyone)))
    for victim in victims:
        try:
            victim.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue
    wait_for_all(set(everyone) - set(recipe.servers()))
    who = "all" if len(victims) > 1 else "one"
    return again(recipe, stage, f"{who} of {len(everyone)} processes after {at_s:.1f} s", end_of(process))


def disk(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Runs a stage on a disk that is too small, and again after it has grown."""
    recipe.restore(0)
    need = [1024 * kibibytes(recipe.after(number)) for number in (stage - 1, stage)]
    size = int(need[0] + rng.uniform(0, 1) * (need[1] - need[0])) + 64 * 1024
    mount(recipe, "size=1g")
    try:
        recipe.restore(stage - 1)
        mount(recipe, f"remount,size={size}")
        first = recipe.finish(stage, stage)
        mount(recipe, "remount,size=1g")
        return after_fault(recipe, stage, f"{size // 1024} KiB", first)
    finally:
        subprocess.run(["umount", "--lazy", recipe.run], check=True)


def kibibytes(folder: Path) -> int:
    """Returns the blocks that the files of a folder take on a small disk."""
    if not folder.is_dir():
        return 0
    return sum(4 * -(-path.lstat().st_size // 4096) + 4 for path in folder.rglob("*"))


def mount(recipe: RecipeRun, options: str) -> None:
    """Mounts a disk in memory, or changes it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", recipe.run], check=True)


def permission(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Runs a stage without the right of root to write everywhere; one of the folders is read-only."""
    recipe.restore(stage - 1)
    folders = [
        recipe.run,
        *(path for path in sorted(recipe.run.rglob("*")) if path.is_dir() and "corpus" not in path.parts),
    ]
    denied = rng.choice(folders)
    denied.chmod(0o555)
    recipe.wrap = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    recipe.start_cold()  # a fork server would have the rights of root
    try:
        first = recipe.finish(stage, stage)
    finally:
        recipe.wrap = []
        denied.chmod(0o755)
    return after_fault(recipe, stage, f"{denied.relative_to(recipe.base)} is read-only", first)


def corrupt(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Changes a byte of a file, and runs the stage again and the next one."""
    last = min(stage + 1, recipe.last)
    recipe.restore(stage)
    top = rng.choice([path for path in sorted(recipe.run.glob("*/*")) if path.name not in ("logs", "shared", "jobs")])
    files = [path for path in (top, *sorted(top.rglob("*"))) if path.is_file() and path.stat().st_size]
    victim = rng.choice([path for path in files if "logs" not in path.parts] or files)
    content = bytearray(victim.read_bytes())
    at = rng.randrange(len(content))
    content[at] ^= rng.randrange(1, 256)
    victim.write_bytes(content)
    detail = f"byte {at} of {victim.relative_to(recipe.run)}"
    ended = recipe.finish(stage, last)
    text = f"{ended.text}\n---- logs\n{recipe.failed_logs()}"
    if why := ended.fault() or ("a traceback in a log" if "Traceback" in text else ""):
        return Trial(detail, why, text, good=False)
    if ended.status == 2:
        return Trial(detail, f"one line: {ended.line()}", text)
    different = recipe.differences(last, without=victim)
    mended = victim.is_file() and victim.read_bytes() != bytes(content)
    if different:
        return Trial(detail, f"other bytes: {' '.join(different[:3])}", text, good=False)
    return Trial(detail, f"{SAME}{'' if mended else ', not read'}", text)


def clock(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Moves the times of all files, each by its own number of days."""
    recipe.restore(stage - 1)
    for path in sorted(recipe.run.rglob("*")):
        moved = path.stat().st_mtime + rng.uniform(-10, 10) * DAY_S
        os.utime(path, (moved, moved))
    first = recipe.finish(stage, stage)
    return after_fault(recipe, stage, "by up to 10 days", first)


def two(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Starts two equal runs, one a little later."""
    recipe.restore(stage - 1)
    wait_s = rng.choice([0.0, rng.uniform(0, recipe.seconds[stage])])
    first = recipe.start(stage, stage)
    time.sleep(wait_s)
    ended = [end_of(process) for process in (recipe.start(stage, stage), first)]
    both = Ended(max(one.status for one in ended), "\n---- the other run\n".join(one.text for one in ended))
    trial = after_fault(recipe, stage, f"{wait_s:.1f} s apart", both)
    return trial


def other(recipe: RecipeRun, stage: int, rng: random.Random) -> Trial:
    """Starts a run, and one with a different configuration of the same name."""
    recipe.restore(0)
    recipe.restore(min(stage - 1, 2))  # nothing belongs to an experiment yet
    first, last = min(stage, 3), min(stage, 3)
    change = {1: "data.version=2", 2: "speech_features.prosody=true"}.get(first, "prototypes.learning_rate=0.5")
    runs = [recipe.start(first, last), recipe.start(first, last, change)]
    ended = [end_of(process) for process in runs]
    text = "\n---- the other run\n".join(one.text for one in ended)
    bad = [one.fault() for one in ended if one.fault()]
    if bad or "Traceback" in recipe.failed_logs():
        return Trial(change, "; ".join(bad) or "a traceback in a log", text, good=False)
    if ended[0].status == 0:
        different = recipe.differences(last) if ended[1].status else []
        if different:
            return Trial(change, f"other bytes: {' '.join(different[:3])}", text, good=False)
    winners = [one for one in ended if one.status == 0]
    if len(winners) > 1 and first != 2:  # other features have another folder
        return Trial(change, "both configurations ran in one folder", text, good=False)
    line = next((one.line() for one in ended if one.status), "both ran")
    return Trial(change, f"one line: {line}" if winners else f"both refused: {line}", text, good=bool(winners))


FAULTS: dict[str, Callable[[RecipeRun, int, random.Random], Trial]] = {
    function.__name__: function for function in (kill, disk, permission, corrupt, clock, two, other, slurm)
}


def trials(recipe: RecipeRun, names: list[str], count: int, seed: int) -> Iterator[tuple[str, int, Trial]]:
    """Yields faults, stages and outcomes. Every fault strikes about equally often; a number alone sets what it does."""
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        name, stage = names[number % len(names)], rng.choice(recipe.stages())
        recipe.start_cold() if rng.random() < COLD_SHARE else recipe.start_warm()
        yield name, stage, FAULTS[name](recipe, stage, rng)


def main() -> int:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=[name for name in FAULTS if name != "slurm"])
    parser.add_argument("--last", type=int, default=7, help="the last stage")
    parser.add_argument("--reference", type=Path, help="folder for the run without faults; used again if it has one")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    base = args.reference or Path(tempfile.mkdtemp(prefix="faults."))
    base.mkdir(exist_ok=True)
    recipe = RecipeRun(base, args.last)
    recipe.start_warm()
    recipe.make_reference()
    outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
    bad = 0
    for number, (name, stage, trial) in enumerate(trials(recipe, args.faults, args.count, args.seed), start=1):
        print(
            f"{number:3} {name:10} stage {stage}  {trial.detail}: {'' if trial.good else 'BAD '}{trial.outcome}",
            flush=True,
        )
        outcomes[name, trial.outcome.partition(":")[0] if trial.good else "BAD"] += 1
        if not trial.good:
            bad += 1
            (base / f"{number}.log").write_text(trial.text)
    for (name, outcome), count in sorted(outcomes.items()):
        print(f"{name:10} {outcome:32} {count}")
    print(f"{args.count} faults, {bad} bad" + (f"; their output: {base}/NUMBER.log" if bad else ""))
    if not bad and not args.reference:
        shutil.rmtree(base)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
