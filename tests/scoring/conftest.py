"""Votes and predictions out of thin air, and a whole fake run of the recipe, for the tests of scoring."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from make_record import make_record
from scoring import made_results

from ambiser.config import load_config
from ambiser.config.data_keys import LABELS
from ambiser.io.files import write_text
from ambiser.io.layout import Layout, experiment_tag
from ambiser.io.tables import write_list, write_table, write_tsv
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import read_votes
from ambiser.stages import TRAINING_STAGES

CONF = Path(__file__).resolve().parents[2] / "egs" / "mini" / "conf"
CODES = ("neu", "hap", "ang", "sad", "fru")


def _votes_and_predictions(n: int, classes: int = 4, seed: int = 0, raters: int = 3) -> dict[str, np.ndarray]:
    """Draws N utterances with `raters` votes each and predictions that lean towards them."""
    rng = np.random.default_rng(seed)
    lean = rng.dirichlet(np.full(classes, 0.4), size=n)
    counts = np.stack([rng.multinomial(raters, row) for row in lean]).astype(float)
    soft = counts / counts.sum(axis=1, keepdims=True)
    top = counts.max(axis=1, keepdims=True)
    hard = np.where((counts == top).sum(axis=1) == 1, counts.argmax(axis=1), -1)
    probs = 0.6 * rng.dirichlet(np.ones(classes), size=n) + 0.4 * lean
    return {"probs": probs / probs.sum(axis=1, keepdims=True), "soft": soft, "hard": hard, "counts": counts}


@pytest.fixture
def votes_and_predictions():
    """The function that makes probs, soft, hard and counts."""
    return _votes_and_predictions


@pytest.fixture
def make_results():
    """A function that makes results of an experiment with a seed, and with other values in the stamp."""
    return functools.partial(made_results.make_results, _votes_and_predictions)


@dataclass
class FakeRecipe:
    """The folders of a recipe whose stages 1 to 6 have been made up, and its arguments for stages 7 and 8."""

    root: Path

    @property
    def layout(self) -> Layout:
        """The folders."""
        return Layout(self.root / "data", self.root / "dump", self.root / "exp")

    def words(self, *names: str, seeds: tuple[int, ...] = (1,)) -> list[str]:
        """The command line for experiments of egs/mini/conf, without calibration."""
        folders = [f"--{name}_dir={self.root / name}" for name in ("data", "dump", "exp")]
        configs = [str(CONF / f"{name}.yaml") for name in names]
        raw = ["--set", "score.calibration=none"]
        return ["--config", *configs, "--seeds", *map(str, seeds), *raw, *folders]

    def prepare(self, per_speaker: int = 12, seed: int = 0) -> "FakeRecipe":
        """Writes what stage 1 writes, as far as scoring reads it."""
        rng = np.random.default_rng(seed)
        utt2spk, votes = {}, []
        for speaker in [f"Ses0{s}{letter}" for s in range(1, 6) for letter in "FM"]:
            for i in range(per_speaker):
                utt = f"{speaker}_{i:03d}"
                utt2spk[utt] = speaker
                lean = rng.dirichlet(np.array([0.4, 0.4, 0.4, 0.4, 0.08]))
                votes += [(utt, f"E{r}", "outside", "primary", CODES[int(rng.choice(5, p=lean))]) for r in (1, 2, 3)]
        layout, config = self.layout, load_config(CONF / "ce.yaml")
        write_table(layout.table("utt2spk"), utt2spk)
        write_table(layout.table("wav.scp"), {utt: f"/corpus/{utt}.wav" for utt in utt2spk})
        write_table(layout.table("text"), dict.fromkeys(utt2spk, "some words"))
        write_table(layout.table("spk2gender"), {speaker: speaker[-1].lower() for speaker in utt2spk.values()})
        write_tsv(layout.table("votes.tsv"), ["utt", "rater", "source", "slot", "label"], sorted(votes))
        write_tsv(layout.table("left_out.tsv"), ["utt", "reason"], [("Ses01F_999", "its audio is empty")])
        for fold in range(1, 6):
            dev = fold % 5 + 1
            part_of = {utt: {fold: "test", dev: "dev"}.get(int(utt[4]), "train") for utt in utt2spk}
            for part in ("train", "dev", "test"):
                write_list(layout.fold_list(fold, part), [utt for utt, p in part_of.items() if p == part])
        make_record(data=config.data.model_dump(mode="json")).write(layout.corpus_record())
        return self

    def train(
        self, name: str, seed: int = 1, skill: float = 0.5, epochs: int = 6, folds: int = 5, suffix: str = ""
    ) -> "FakeRecipe":
        """Writes what stages 3 to 6 write for an experiment: models, learning curves and predictions."""
        config, layout = load_config(CONF / f"{name}.yaml"), self.layout
        tag = experiment_tag(name, config.ssl, seed, suffix)
        rng = np.random.default_rng([seed, *name.encode()])
        votes = read_votes(layout.table("votes.tsv"))
        for fold in range(1, folds + 1):
            for stage in config.stages:
                folder = layout.training(tag, fold, stage)
                write_text(folder / "metrics.jsonl", _curve(rng, stage, epochs + fold % 2, 4))
                write_text(folder / "best.safetensors", "")
            for part in ("dev", "test"):
                self._predict(rng, votes, config, layout, tag, fold, part, skill)
        return self

    def _predict(self, rng, votes, config, layout, tag, fold, part, skill):
        view = view_labels(votes, config.labels, layout.fold_list(fold, part).read_text().split())
        guess = rng.dirichlet(np.ones(4), size=len(view.utts))
        probs = (1 - skill) * guess + skill * (0.85 * view.soft + 0.0375)
        probs /= probs.sum(axis=1, keepdims=True)
        rows = ([utt, *(f"{p:.8f}" for p in row)] for utt, row in zip(view.utts, probs, strict=True))
        write_tsv(layout.predictions(tag, fold, part), ["utt", *view.classes], rows)


def _curve(rng: np.random.Generator, stage: str, epochs: int, classes: int) -> str:
    lines, best, start = [], 0.0, 0.3 + 0.1 * TRAINING_STAGES.index(stage)
    for epoch in range(1, epochs + 1):
        rise = 1 - np.exp(-epoch / 4)
        ua = start + 0.25 * rise + 0.02 * rng.normal()
        line = {
            "epoch": epoch,
            "train_loss": 1.4 - rise + 0.02 * rng.normal(),
            "dev_ua": ua,
            "dev_accuracy": ua + 0.03,
            "dev_jsd": 0.3 - 0.12 * rise,
            "learning_rate": 1e-3,
            "best": bool(ua > best),
        }
        best = max(best, ua)
        if stage != "distill":
            cosine = 0.6 * (1 - rise) + 0.05 * rng.normal(size=(classes, classes)) - 0.1
            line["prototype_cosine"] = np.where(np.eye(classes) == 1, 1, (cosine + cosine.T) / 2).tolist()
            line["agreement_classifier"] = ua
            line["agreement_prototypes"] = None if epoch == 1 and stage == "prototypes" else ua - 0.05
        lines.append(json.dumps(line))
    return "\n".join(lines) + "\n"


@pytest.fixture
def fake_recipe(tmp_path):
    """A fake recipe with a corpus and no experiment."""
    assert set(CODES) <= set(LABELS)
    return FakeRecipe(tmp_path).prepare()


@pytest.fixture(scope="session")
def make_recipe():
    """The class of fake recipes, for fixtures that live longer than a test."""
    return FakeRecipe
