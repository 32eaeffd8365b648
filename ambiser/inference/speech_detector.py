"""Finds speech in long recordings with silero-vad; its package brings the model, so no network is needed."""

from collections.abc import Iterable

import numpy as np

from ambiser.errors import ConfigError
from ambiser.io.audio import SAMPLE_RATE_HZ

_CHUNK = 512  # samples, the only length that the model takes
_SILENCE_MS = 500  # a shorter pause does not end a segment: it is part of an utterance
_MARGIN_MS = 100  # kept before and after speech, as in the recordings of most corpora


class SpeechDetector:
    """Detects speech in one recording at a time, in bounded memory.

    Raises:
        ConfigError: silero-vad is not installed.
    """

    def __init__(self) -> None:
        import torch

        threads = torch.get_num_threads()
        try:
            from silero_vad import VADIterator, load_silero_vad
        except ImportError as error:
            raise ConfigError("--vad needs the package silero-vad; run pip install silero-vad") from error
        torch.set_num_threads(threads)  # the import sets it to 1
        self._find = VADIterator(
            load_silero_vad(),
            sampling_rate=SAMPLE_RATE_HZ,
            min_silence_duration_ms=_SILENCE_MS,
            speech_pad_ms=_MARGIN_MS,
        )

    def segments(self, blocks: Iterable[np.ndarray]) -> list[tuple[float, float]]:
        """Returns start and end of each stretch of speech in seconds.

        Args:
            blocks: consecutive parts (samples,) of a waveform, float32 at 16 kHz.
        """
        import torch

        self._find.reset_states()
        found, starts, total, rest = [], [], 0, np.empty(0, np.float32)
        for block in blocks:
            total += len(block)
            rest = np.concatenate([rest, block])
            whole = len(rest) // _CHUNK * _CHUNK
            for chunk in rest[:whole].reshape(-1, _CHUNK):
                self._add(self._find(torch.from_numpy(chunk)), found, starts)
            rest = rest[whole:]
        if starts:  # speech until the end
            found.append((starts.pop(), total))
        return [(start / SAMPLE_RATE_HZ, min(end, total) / SAMPLE_RATE_HZ) for start, end in found]

    @staticmethod
    def _add(event: dict[str, int] | None, found: list[tuple[int, int]], starts: list[int]) -> None:
        if event is None:
            return
        if "start" in event:
            # The margins of two segments may overlap; a sample belongs to the first.
            starts.append(max(event["start"], found[-1][1] if found else 0))
        else:
            found.append((starts.pop(), event["end"]))
