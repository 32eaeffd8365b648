"""Gives the path of every file of a recipe; no other module builds these paths."""

from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import DataError
from ambiser.stages import find_stage


@dataclass(frozen=True)
class Layout:
    """The three folders that a run writes to."""

    data_dir: Path
    dump_dir: Path
    exp_dir: Path

    @classmethod
    def of_data(cls, data_dir: Path) -> "Layout":
        """Returns the layout for work that reads the tables of stage 1 only."""
        folder = Path(data_dir)
        return cls(folder, folder, folder)

    def table(self, name: str) -> Path:
        """A table of the whole corpus: wav.scp, votes.tsv, ..."""
        return self.data_dir / "all" / name

    def corpus_record(self) -> Path:
        """The last file of stage 1: corpus, protocol, folds and counts."""
        return self.data_dir / "corpus.json"

    def prepare_lock(self) -> Path:
        """The lock of stage 1."""
        return self.data_dir / ".prepare.lock"

    def fold_list(self, fold: int, part: str) -> Path:
        """The sorted utterance list of a part: "train", "dev" or "test"."""
        return self.data_dir / f"fold{fold}" / part

    def speech_dir(self, ssl: str, form: str, storage: str, prosody: bool) -> Path:
        """The folder of the speech features; its last file is feats.scp."""
        words = [word for word in (form, storage) if word not in ("pooled", "exact")]
        return self.dump_dir / "_".join([ssl, *words, *(["prosody"] if prosody else [])])

    def text_dir(self, text: str, form: str) -> Path:
        """The folder of the text features; its last file is feats.scp."""
        return self.dump_dir / (text if form == "pooled" else f"{text}_{form}")

    def experiment(self, tag: str) -> Path:
        """The folder of one experiment with one seed."""
        return self.exp_dir / tag

    def training(self, tag: str, fold: int, stage: str) -> Path:
        """The folder of one training stage on one fold."""
        return self.exp_dir / tag / f"fold{fold}" / stage

    def training_lock(self, tag: str, fold: int, stage: str) -> Path:
        """The lock of one training stage on one fold; not in its folder, which linking an equal stage replaces."""
        return self.exp_dir / tag / f"fold{fold}" / f".{stage}.lock"

    def shared_stages(self, stage: str) -> Path:
        """The folder of the records of finished trainings of a stage, by which equal ones are found."""
        return self.exp_dir / "shared" / stage

    def best(self, tag: str, fold: int, stage: str) -> Path:
        """The last file of a training stage."""
        return self.training(tag, fold, stage) / "best.safetensors"

    def predictions(self, tag: str, fold: int, part: str = "test") -> Path:
        """The class probabilities of every utterance of a part."""
        name = "predictions.tsv" if part == "test" else f"predictions_{part}.tsv"
        return self.exp_dir / tag / f"fold{fold}" / name

    def heads(self, tag: str, fold: int) -> Path:
        """The probabilities of every head and the teacher weights, for the test part (stage 6)."""
        return self.exp_dir / tag / f"fold{fold}" / "heads.tsv"

    def raters(self, tag: str, fold: int) -> Path:
        """Scores of single raters and the biases learned of them, for the test part (stage 6 with `raters.model`)."""
        return self.exp_dir / tag / f"fold{fold}" / "raters.tsv"

    def attributes(self, tag: str, fold: int) -> Path:
        """The predicted attributes of the test part (stage 6 with `attributes.weight`)."""
        return self.exp_dir / tag / f"fold{fold}" / "attributes.tsv"

    def embeddings(self, tag: str, fold: int) -> Path:
        """The embeddings of the test part and the prototypes (stages 3 to 5)."""
        return self.exp_dir / tag / f"fold{fold}" / "embeddings.safetensors"

    def choice(self, tag: str, fold: int) -> Path:
        """The point of a grid that dev chose for a fold, with the dev score of every point."""
        return self.exp_dir / tag / f"fold{fold}" / "choice.json"

    def results(self, tag: str) -> Path:
        """The last file of stage 7."""
        return self.exp_dir / tag / "results.json"


def experiment_tag(config_name: str, ssl: str, seed: int, suffix: str = "") -> str:
    """Returns CONFIG-SSL-sSEED, or CONFIG-SSL-sSEED-SUFFIX."""
    return "-".join(part for part in (config_name, ssl, f"s{seed}", suffix) if part)


def point_tag(tag: str, point: str) -> str:
    """Returns the name of a point of an experiment with a grid, which is its folder in --exp_dir too."""
    return f"{tag}/points/{point}"


def part_file(folder: Path, part: tuple[int, int]) -> Path:
    """Returns the last file of part k of n of an extraction, where `part` is (k, n)."""
    return folder / "parts" / f"{part[0]}-of-{part[1]}"


def require(path: Path, stage: str) -> Path:
    """Returns the path if the file exists.

    Raises:
        DataError: it is missing; the message names the stage that writes it and the command.
    """
    if not Path(path).is_file():
        number = find_stage(stage).number
        raise DataError(
            f"{path} is missing; stage {number} ({stage}) writes it: ./run.sh --stage {number} --stop_stage {number}"
        )
    return Path(path)
