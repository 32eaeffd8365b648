"""Records of stage 1 for tests that need no corpus."""

from ambiser.io.corpus_record import CorpusRecord


def make_record(**changes: object) -> CorpusRecord:
    """Returns a record of a small prepared corpus with the given entries changed."""
    entries = {
        "corpus_dir": "/corpus",
        "data": {},
        "corpus": "mini",
        "version": "1",
        "protocol": "leave_one_session_out",
        "dev": "next_session",
        "folds": [1, 2, 3, 4, 5],
        "parts": {str(fold): {"train": 36, "dev": 12, "test": 12} for fold in range(1, 6)},
        "sessions": ["Ses01", "Ses02", "Ses03", "Ses04", "Ses05"],
        "speakers": ["Ses01F", "Ses01M"],
        "utterances": 60,
        "duration_s": 1.5,
        "votes": 200,
        "codes": {"neu": 60},
        "left_out": 0,
        "warnings": {},
        "made_up": True,
        "leaks": {},
    }
    return CorpusRecord(**{**entries, **changes})
