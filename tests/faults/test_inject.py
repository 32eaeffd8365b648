"""One kill in stage 1; `python tests/faults/inject.py --count 200` does all faults on all stages."""

import random

from faults.inject import kill
from faults.recipe_run import RecipeRun


def test_a_killed_run_ends_in_the_same_bytes(environment, tmp_path):
    recipe = RecipeRun(tmp_path, last=1)
    recipe.environment["AMBISER_PYTHON"] = environment["AMBISER_PYTHON"]  # imports take most of the time of stage 1
    recipe.make_reference()
    trial = kill(recipe, 1, random.Random(3))
    assert trial.good, f"{trial.detail}: {trial.outcome}\n{trial.text}"
