"""Times stages 7 and 8, and stage 8 again: made-up experiments with three seeds; 57 should take 60 s in stage 8.

python tests/benchmarks/report.py [EXPERIMENTS] [UTTERANCES PER SPEAKER]
"""

import contextlib
import io
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scoring.conftest import CONF, FakeRecipe

from ambiser.bin import report, score
from ambiser.config.loader import EXPERIMENTS, load_config

SEEDS = (1, 2, 3)
EXPERIMENT_COUNT, PER_SPEAKER = 57, 100


def main() -> None:
    """Prints wall seconds, and processor seconds with those of forks; the second report draws no section again."""
    count, per_speaker = map(int, (*sys.argv[1:], *(EXPERIMENT_COUNT, PER_SPEAKER)[len(sys.argv) - 1 :]))
    configs = {path.stem: load_config(CONF / path.name) for path in sorted(EXPERIMENTS.glob("*.yaml"))}
    # Others would need encoders or the points of a grid.
    names = [name for name, config in configs.items() if not (config.learns() or config.tune)][:count]
    with tempfile.TemporaryDirectory() as folder:
        recipe = FakeRecipe(Path(folder)).prepare(per_speaker=per_speaker)
        for name in names:
            for seed in SEEDS:
                recipe.train(name, seed=seed)
        for program in (score, report, report):
            sys.argv = [program.__name__, *recipe.words(*names, seeds=SEEDS)]
            start, before = time.perf_counter(), _processor_s()
            with contextlib.redirect_stdout(io.StringIO()):
                program.main()
            what = f"{program.__name__}: {len(names)} experiments, {len(SEEDS)} seeds, {10 * per_speaker} utterances"
            print(f"{what}: {time.perf_counter() - start:.1f} s, processor {_processor_s() - before:.1f} s", flush=True)


def _processor_s() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


if __name__ == "__main__":
    main()
