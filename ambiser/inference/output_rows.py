"""Rows of the output: the same prediction as a line of TSV, as a JSON object, and read again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ambiser.inference.utterance_prediction import UtterancePrediction

_DIGITS = 6
_WORDS = ("file", "label", "cutting", "model")
_NUMBERS = ("start_s", "end_s", "entropy_bits", "expected_agreement", "member_information_bits")
_NUMBERS_BY_NAME = ("distribution", "no_majority", "head_jsd_bits", "prototype_similarity")
_SET_JOIN = " + "


@dataclass(frozen=True)
class OutputRow:
    """The prediction for a recording or a window of it.

    Attributes:
        file: name of the recording.
        start_s, end_s: the window in seconds.
        prediction: of the model.
        text: the words that the model read; None for a model that reads none.
    """

    file: str
    start_s: float
    end_s: float
    prediction: UtterancePrediction
    text: str | None = None

    def words(self) -> str:
        """Returns the text in one line; empty without one."""
        return " ".join((self.text or "").split())


@dataclass(frozen=True)
class Shape:
    """What all rows share: classes, heads, whether there are prototypes, text and sets, raters, cutting, model."""

    classes: tuple[str, ...]
    pairs: tuple[str, ...]
    has_prototypes: bool
    has_text: bool
    raters: int
    cutting: str
    model: str
    has_sets: bool = False


def columns_of(shape: Shape) -> list[str]:
    """Returns the header of the table."""
    return [
        *("file", "start_s", "end_s", "label"),
        *(f"p_{name}" for name in shape.classes),
        *("entropy_bits", "expected_agreement", f"no_majority_{shape.raters}", "member_information_bits"),
        *(f"jsd_bits_{pair}" for pair in shape.pairs),
        *(["nearest_prototype", *(f"cosine_{name}" for name in shape.classes)] if shape.has_prototypes else []),
        *(["prediction_set"] if shape.has_sets else []),
        *(["text"] if shape.has_text else []),
        *("notes", "cutting", "model"),
    ]


def fields_of(row: OutputRow, shape: Shape) -> list[str]:
    """Returns the fields of a row of the table."""
    one = row.prediction
    numbers = [one.entropy_bits, one.expected_agreement, one.no_majority(shape.raters), one.member_information_bits]
    cosines = one.prototype_similarity
    return [
        row.file,
        *(f"{row.start_s:.3f}", f"{row.end_s:.3f}", one.label),
        *(f"{one.distribution[name]:.{_DIGITS}f}" for name in shape.classes),
        *(f"{number:.{_DIGITS}f}" for number in numbers),
        *(f"{one.head_jsd_bits[pair]:.{_DIGITS}f}" for pair in shape.pairs),
        *([one.nearest_prototype, *(f"{cosines[name]:.{_DIGITS}f}" for name in shape.classes)] if cosines else []),
        *([_SET_JOIN.join(one.prediction_set)] if shape.has_sets else []),
        *([row.words()] if shape.has_text else []),
        *("; ".join(one.notes), shape.cutting, shape.model),
    ]


def record_of(row: OutputRow, shape: Shape) -> dict[str, object]:
    """Returns a row as a JSON object."""
    one = row.prediction

    def rounded(values: dict[str, float]) -> dict[str, float]:
        return {name: round(value, _DIGITS) for name, value in values.items()}

    return {
        "file": row.file,
        "start_s": round(row.start_s, 3),
        "end_s": round(row.end_s, 3),
        "label": one.label,
        "distribution": rounded(one.distribution),
        **rounded({"entropy_bits": one.entropy_bits, "expected_agreement": one.expected_agreement}),
        "no_majority": {str(shape.raters): round(one.no_majority(shape.raters), _DIGITS)},
        "member_information_bits": round(one.member_information_bits, _DIGITS),
        "head_jsd_bits": rounded(one.head_jsd_bits),
        "nearest_prototype": one.nearest_prototype,
        "prototype_similarity": rounded(one.prototype_similarity),
        "prediction_set": list(one.prediction_set),
        "text": row.words() if shape.has_text else None,
        "notes": list(one.notes),
        "cutting": shape.cutting,
        "model": shape.model,
    }


def record_of_fields(fields: Mapping[str, str]) -> dict[str, object]:
    """Returns the JSON object of a row that was read from a table, as `record_of` makes it.

    Args:
        fields: text by column.

    Raises:
        KeyError: a column is missing.
        ValueError: a number is none.
    """

    def numbers(prefix: str) -> dict[str, float]:
        found = {name: value for name, value in fields.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): float(value) for name, value in found.items()}

    cosines = sorted(numbers("cosine_").items(), key=lambda pair: -pair[1])
    return {
        "file": fields["file"],
        "start_s": float(fields["start_s"]),
        "end_s": float(fields["end_s"]),
        "label": fields["label"],
        "distribution": numbers("p_"),
        "entropy_bits": float(fields["entropy_bits"]),
        "expected_agreement": float(fields["expected_agreement"]),
        "no_majority": numbers("no_majority_"),
        "member_information_bits": float(fields["member_information_bits"]),
        "head_jsd_bits": numbers("jsd_bits_"),
        "nearest_prototype": fields.get("nearest_prototype"),
        "prototype_similarity": dict(cosines),
        "prediction_set": [name for name in fields.get("prediction_set", "").split(_SET_JOIN) if name],
        "text": fields.get("text"),
        "notes": fields["notes"].split("; ") if fields["notes"] else [],
        "cutting": fields["cutting"],
        "model": fields["model"],
    }


def check_record(record: object) -> dict[str, object]:
    """Returns an object that was read from an output, after checking all that resuming and the page rely on.

    Raises:
        KeyError: a key is missing.
        ValueError: a value has another type, or a number is not finite.
    """
    if not isinstance(record, dict):
        raise ValueError("no object")
    words = [record[name] for name in _WORDS] + [record["text"] or ""] + list(record["notes"])
    words += list(record.get("prediction_set", []))  # rows of older versions have none
    tables = [record[name] for name in _NUMBERS_BY_NAME]
    if not all(isinstance(word, str) for word in words) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("a value of another type")
    numbers = [record[name] for name in _NUMBERS] + [number for table in tables for number in table.values()]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError("a number that is not finite")
    if not record["distribution"] or not 0 <= record["start_s"] < record["end_s"]:
        raise ValueError("no classes, or no time")
    return record


def keys_of(record: Mapping[str, object]) -> tuple[frozenset[str], ...]:
    """Returns the names of classes, raters, pairs of heads and prototypes of a row, which all rows share."""
    return tuple(frozenset(record[name]) for name in _NUMBERS_BY_NAME)
