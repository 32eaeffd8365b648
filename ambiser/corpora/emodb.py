"""Reads EmoDB: ten German actors, ten sentences, seven emotions, and how many listeners recognized each clip."""

import codecs
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Corpus, Cut, Utterance, Vote
from ambiser.corpora.findings import Findings
from ambiser.corpora.named_clips import acted_utterance, compare_counts, find_clips
from ambiser.errors import DataError
from ambiser.io.files import read_file
from ambiser.labels.vote_table import ANONYMOUS

HOME = "http://emodb.bilderbar.info/download/download.zip"
EMOTIONS = {"N": "neu", "F": "hap", "T": "sad", "W": "ang", "A": "fea", "E": "dis", "L": "bor"}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
GENDERS = {"03": "m", "08": "f", "09": "f", "10": "m", "11": "m", "12": "m", "13": "f", "14": "f", "15": "m", "16": "f"}
CLIPS = {"03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71}
LISTENERS = 20
# Speaker, sentence, emotion, version; files of the set of 816 recordings end in xx.
CLIP = re.compile(rf"({'|'.join(GENDERS)})({'|'.join(SENTENCES)})([{''.join(EMOTIONS)}])[a-z]?(?:xx)?")
_STEREO, _AUDIO = "wav_laryng", 0  # the folder of the larger set; channel 1 is the laryngogram
_LARYNGOGRAMS = "laryngo"
_TABLES = ("erkennung.txt", "listener_judgements.txt")
_COLUMNS = ("Satz", "sample", "erkannt", "recognized")  # name and rate, in German or English


def read_emodb(corpus_dir: Path, data: Data) -> Corpus:
    """Reads the 535 selected clips with erkennung.txt, or all 816 with listener_judgements.txt.

    Of the twenty listeners of a clip, those who recognized the acted emotion vote for it; the others vote for
    "other" (oth), because the release does not say what they chose. Without a table, the acted emotion is the only
    vote.

    Raises:
        DataError: the folder holds no clip, or a table without the columns.
    """
    findings, root = Findings(data.allow_incomplete), Path(corpus_dir)
    wavs, cuts = _find_wavs(root, findings)
    table = next((path for name in _TABLES for path in sorted([*root.glob(name), *root.glob(f"*/{name}")])), None)
    if table is None:
        findings.warn(f"no {_TABLES[0]}: the acted emotion is the only vote of a clip (hard labels)")
    rates = _read_rates(table, findings) if table else {}
    utterances = []
    for clip, wav in wavs.items():
        if table and clip not in rates:
            findings.leave_out(clip, f"has no line in {table.name}", wav)
        elif not math.isnan(rates.get(clip, 0)):
            utterances.append(_utterance(clip, wav, rates.get(clip), findings))
    for clip in sorted(rates.keys() - wavs.keys()):
        findings.drop(clip, "has a recognition rate and no audio here")
    if table is None or table.name == _TABLES[0]:
        compare_counts(root, Counter(clip[:2] for clip in wavs), CLIPS, findings)
    return Corpus("emodb", utterances, findings, cuts={u.utt: cuts[u.utt] for u in utterances if u.utt in cuts})


def _find_wavs(root: Path, findings: Findings) -> tuple[dict[str, Path], dict[str, Cut]]:
    """Returns the clips by name without xx, and the channel of those that exist with a laryngograph channel only."""
    wavs: dict[str, Path] = {}
    stereo: dict[str, Path] = {}
    for stem, path in find_clips(root, CLIP, findings, corpus="EmoDB", home=HOME, skip=(_LARYNGOGRAMS,)).items():
        chosen = stereo if path.parent.name == _STEREO else wavs
        if chosen.setdefault(stem.removesuffix("xx"), path) != path:
            findings.warn("copies of clips in a second folder (ignored)", where=path)
    cuts = {clip: Cut(channel=_AUDIO) for clip in stereo.keys() - wavs.keys()}
    if cuts:
        findings.warn("recordings with a laryngograph channel (stage 1 takes the other channel)", len(cuts))
    return dict(sorted((stereo | wavs).items())), cuts


def _utterance(clip: str, wav: Path, rate: float | None, findings: Findings) -> Utterance:
    speaker, sentence, emotion = CLIP.fullmatch(clip).groups()
    code, gender = EMOTIONS[emotion], GENDERS[speaker]
    u = acted_utterance(clip, wav, code, speaker=speaker, gender=gender, text=SENTENCES[sentence])
    if rate is None:
        return u
    recognized = round(rate / 100 * LISTENERS)
    if abs(recognized / LISTENERS * 100 - rate) > 0.5:
        findings.warn(f"recognition rates that are no whole number of {LISTENERS} listeners (rounded)", where=clip)
    labels = [code] * recognized + ["oth"] * (LISTENERS - recognized)
    votes = (Vote(f"{ANONYMOUS}{i:02d}", "outside", label) for i, label in enumerate(labels, start=1))
    return replace(u, votes=tuple(votes))


def _read_rates(path: Path, findings: Findings) -> dict[str, float]:
    """Returns the share of listeners who recognized the acted emotion, in percent, by clip; nan for a faulty one."""
    rates: dict[str, float] = {}
    for where, name, text in _lines(path, findings):
        clip = Path(name).stem.removesuffix("xx")
        try:
            rate = float(text.removesuffix("%").replace(",", "."))
        except ValueError:
            rate = math.nan
        if not CLIP.fullmatch(clip):
            findings.warn(f"lines of {path.name} that name no clip (ignored)", where=f"{where}: {name}")
        elif not 0 <= rate <= 100:
            findings.leave_out(clip, "the recognition rate must be a percentage", where, text)
            rates[clip] = math.nan
        elif rates.setdefault(clip, rate) != rate:
            findings.error(f"{clip} has two rates; remove one line", where, text)
    return rates


def _lines(path: Path, findings: Findings) -> Iterator[tuple[str, str, str]]:
    """Yields file:line, clip and rate; the files are Latin-1, with decimal commas and no-break spaces.

    Raises:
        DataError: the file cannot be read, or its header lacks a column.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    findings.note_input(path, content)
    text = content.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    columns: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if not line.strip():
            continue
        if not columns:
            columns = [fields.index(name) for name in _COLUMNS if name in fields]
            if len(columns) != 2:
                raise DataError(f"{path}:{number}: the header must hold Satz and erkannt; get it again from {HOME}")
        elif len(fields) > max(columns):
            yield f"{path}:{number}", fields[columns[0]], fields[columns[1]]
        else:
            findings.miss("the line has too few fields; the file is cut off", f"{path}:{number}")
