"""What a fault did to a run, and whether it may end so."""

from dataclasses import dataclass

from faults.recipe_run import Ended, RecipeRun

SAME = "same bytes"


@dataclass
class Trial:
    """What one fault did.

    Attributes:
        detail: what was done.
        outcome: how the run ended.
        text: the output of the runs.
        good: whether the outcome is allowed.
    """

    detail: str
    outcome: str
    text: str = ""
    good: bool = True


def again(recipe: RecipeRun, stage: int, detail: str, first: Ended) -> Trial:
    """Runs a stage again after a fault, and compares its files with the reference."""
    second = recipe.finish(stage, stage)
    text = f"{first.text}\n---- again\n{second.text}\n---- logs\n{recipe.failed_logs()}"
    if second.status:
        return Trial(detail, f"cannot be resumed: {second.line() or second.status}", text, good=False)
    if different := recipe.differences(stage):
        return Trial(detail, f"other bytes: {' '.join(different[:3])}", text, good=False)
    return Trial(detail, f"one line, then {SAME}: {first.line()}" if first.status == 2 else SAME, text)


def after_fault(recipe: RecipeRun, stage: int, detail: str, first: Ended) -> Trial:
    """As `again`, for a fault that the run must report itself."""
    trial = again(recipe, stage, detail, first)
    why = first.fault() or ("a traceback in a log" if "Traceback" in recipe.failed_logs() else "")
    return Trial(detail, f"{why}; {trial.outcome}", trial.text, good=False) if why else trial
