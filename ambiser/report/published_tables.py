"""Reads and writes the tables of published scores: egs/X/results/{scores,experiments,settings}.tsv.

scores.tsv has a line per experiment with seed, group of utterances and score; experiments.tsv a line per experiment
with seed; settings.tsv what experiments share (corpus, labels, test set, sizes and floors of the groups), as JSON.
They hold what RESULTS.md shows and no more.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.files import digest, parse_json
from ambiser.io.records import from_json, to_json
from ambiser.io.tables import read_tsv, write_tsv
from ambiser.report.shown_scores import CALIBRATED, CLASS_SCORES, DISTRIBUTION_SCORES, FOLD_SCORES, LEVEL_SCORES
from ambiser.scoring.results import Group, MainScores, Summary

SCORE_COLUMNS = ["experiment", "group", "score", "value", "low", "high", "deviation", "folds"]
TEXT_COLUMNS = ("inputs", "config_hash", "commit")
JSON_COLUMNS = ("seed", "ssl", "text", "stages", "selection", "epochs", "kept")
EXPERIMENT_COLUMNS = ["experiment", "name", "setting", *TEXT_COLUMNS, "calibration", *JSON_COLUMNS]
TUNING = "tuning"
"""The last column of experiments.tsv: grid and choices as JSON, empty without a grid; older tables lack it."""
SETTING_COLUMNS = ["setting", "key", "value"]
SECTIONS = ("levels", "kinds", "genders")
POOLED_SCORES = (*CLASS_SCORES, *DISTRIBUTION_SCORES)
FOLDS, BEFORE = "over folds", "before calibration"
_ID_DIGITS = 8

Json = dict[str, object]
Values = dict[tuple[str, str], dict[str, dict[str, str]]]
"""The lines of scores.tsv by experiment and group, and then by score."""


def write_summaries(folder: Path, summaries: Iterable[Summary]) -> None:
    """Writes the three tables of a folder, sorted."""
    summaries = sorted(summaries, key=lambda one: one.tag)
    settings = {one.tag: _setting(one) for one in summaries}
    names = {tag: _setting_id(setting) for tag, setting in settings.items()}
    lines = {(names[tag], key, _dump(value)) for tag, setting in settings.items() for key, value in setting.items()}
    write_tsv(folder / "settings.tsv", SETTING_COLUMNS, sorted(lines))
    write_tsv(
        folder / "experiments.tsv",
        [*EXPERIMENT_COLUMNS, TUNING],
        [_experiment(one, names[one.tag]) for one in summaries],
    )
    write_tsv(folder / "scores.tsv", SCORE_COLUMNS, [line for one in summaries for line in _score_lines(one)])


def read_summaries(folder: Path) -> list[Summary]:
    """Reads the three tables of a folder; an empty list where there are none.

    Raises:
        DataError: a column, setting, group or score is missing, or a value has another type.
    """
    if not (folder / "experiments.tsv").is_file():
        return []
    settings: dict[str, Json] = {}
    for number, row in enumerate(read_tsv(folder / "settings.tsv", SETTING_COLUMNS), start=2):
        where = f"{folder / 'settings.tsv'}:{number}"
        settings.setdefault(row["setting"], {})[row["key"]] = _load(row["value"], where)
    values: Values = {}
    for row in read_tsv(folder / "scores.tsv", SCORE_COLUMNS):
        values.setdefault((row["experiment"], row["group"]), {})[row["score"]] = row
    found = []
    for number, row in enumerate(read_tsv(folder / "experiments.tsv", EXPERIMENT_COLUMNS), start=2):
        where = f"{folder / 'experiments.tsv'}:{number}"
        try:
            found.append(_summary(row, settings[row["setting"]], values, where))
        except KeyError as error:
            raise DataError(f"{where}: {row['experiment']} lacks {error}; restore the tables of {folder}") from error
        except ValueError as error:
            raise DataError(f"{where}: {row['experiment']}: {error}; restore the tables of {folder}") from error
    return found


def group_names(scores: MainScores) -> Iterator[tuple[str, Group]]:
    """Yields the name in scores.tsv and the group, for all utterances, levels, kinds and genders."""
    yield "pooled", scores.pooled
    for section in SECTIONS:
        for group in getattr(scores, section):
            yield f"{section}: {group.name}", group


def _setting(one: Summary) -> Json:
    """Returns what an experiment shares with others: stamp, what was left out, sizes and floors of the groups."""
    stamp = {f"stamp.{key}": value for key, value in to_json(one.stamp).items()}
    own = {f"stamp.{key}" for key in (*TEXT_COLUMNS, *JSON_COLUMNS, TUNING)}
    return {
        **{key: value for key, value in stamp.items() if key not in own},
        "left_out": one.left_out,
        "pooled": _without_scores(one.scores.pooled, POOLED_SCORES),
        **{
            section: [_without_scores(group, LEVEL_SCORES) for group in getattr(one.scores, section)]
            for section in SECTIONS
        },
    }


def _without_scores(group: Group, metrics: Iterable[str]) -> Json:
    """Returns a group without the scores of the system; floors and single raters keep the published scores."""
    content = {key: value for key, value in to_json(group).items() if key not in ("scores", "intervals")}
    content["floors"] = {name: {key: scores[key] for key in metrics} for name, scores in group.floors.items()}
    if group.human is not None:
        content["human"] = {"answers": group.human.answers, "scores": {key: group.human.scores[key] for key in metrics}}
    return content


def _setting_id(setting: Json) -> str:
    return digest(_dump(setting))[:_ID_DIGITS]


def _experiment(one: Summary, setting: str) -> list[str]:
    stamp = to_json(one.stamp)
    kind = "" if one.calibration is None else one.calibration.kind
    texts, coded = [stamp[key] for key in TEXT_COLUMNS], [_dump(stamp[key]) for key in JSON_COLUMNS]
    return [one.tag, one.name, setting, *texts, kind, *coded, _dump(stamp[TUNING]) if TUNING in stamp else ""]


def _score_lines(one: Summary) -> Iterator[list[str]]:
    """Yields the lines of an experiment in scores.tsv, sorted by group and score."""
    lines = []
    more = () if one.calibration is None else set(CALIBRATED) - set(POOLED_SCORES)
    for name, group in group_names(one.scores):
        for metric in (*POOLED_SCORES, *more) if name == "pooled" else LEVEL_SCORES:
            score = group.score(metric)
            ends = (score.interval or (None, None)) if name == "pooled" else (None, None)
            lines.append([one.tag, name, metric, *map(_number, (score.value, *ends)), "", ""])
    for metric in FOLD_SCORES:
        over = one.scores.over_folds[metric]
        lines.append([one.tag, FOLDS, metric, _number(over.mean), "", "", _number(over.deviation), str(over.folds)])
    for metric in CALIBRATED if one.calibration is not None else ():
        lines.append([one.tag, BEFORE, metric, _number(one.calibration.before[metric]), "", "", "", ""])
    yield from sorted(lines)


def _summary(row: Mapping[str, str], setting: Json, values: Values, where: str) -> Summary:
    tag = row["experiment"]
    own = {key: row[key] for key in TEXT_COLUMNS} | {key: _load(row[key], where) for key in JSON_COLUMNS}
    own |= {TUNING: _load(row[TUNING], where)} if row.get(TUNING) else {}
    shared = {key.removeprefix("stamp."): value for key, value in setting.items() if key.startswith("stamp.")}
    scores = {
        "pooled": setting["pooled"] | _scores(values[tag, "pooled"]) | _intervals(values[tag, "pooled"]),
        "over_folds": {metric: _over_folds(line) for metric, line in values[tag, FOLDS].items()},
    }
    for section in SECTIONS:
        scores[section] = [g | _scores(values[tag, f"{section}: {g['name']}"]) for g in setting[section]]
    content = {
        "tag": tag,
        "name": row["name"],
        "stamp": own | shared,
        "left_out": setting["left_out"],
        "scores": scores,
    }
    if row["calibration"]:
        content["calibration"] = {"kind": row["calibration"], "before": _scores(values[tag, BEFORE])["scores"]}
    return from_json(Summary, content, where)


def _scores(lines: Mapping[str, Mapping[str, str]]) -> Json:
    return {"scores": {metric: _parse(line["value"]) for metric, line in lines.items()}}


def _intervals(lines: Mapping[str, Mapping[str, str]]) -> Json:
    ends = {metric: [_parse(line["low"]), _parse(line["high"])] for metric, line in lines.items()}
    return {"intervals": {metric: None if None in pair else pair for metric, pair in ends.items()}}


def _over_folds(line: Mapping[str, str]) -> Json:
    return {"mean": _parse(line["value"]), "deviation": _parse(line["deviation"]), "folds": int(line["folds"])}


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _parse(text: str) -> float | None:
    return float(text) if text else None


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _load(text: str, where: str) -> object:
    try:
        return parse_json(text)
    except ValueError as error:
        raise DataError(f"{where}: {text!r:.60} is not JSON; restore the table") from error
