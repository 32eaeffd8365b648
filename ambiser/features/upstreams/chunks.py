"""How audio is divided for a model: short utterances in batches, long recordings in chunks that overlap."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# What two neighbors share: each gives the half in which it has heard more of the surroundings.
OVERLAP_S = 4


def plan_batches(samples: Mapping[str, int], limit: int) -> Iterator[list[str]]:
    """Yields batches of utterances of like length, the longest first; with padding none exceeds the limit.

    Args:
        samples: length by utterance.
        limit: most samples in a batch, padding included; a longer utterance is a batch of its own.
    """
    batch: list[str] = []
    for utt in sorted(samples, key=lambda utt: (-samples[utt], utt.encode("utf-8"))):
        if batch and samples[batch[0]] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


def cut(samples: int, *, longest: int, overlap: int, hop: int) -> list[slice]:
    """Returns the chunks of audio: all begin on a frame, and each shares its end with the beginning of the next.

    Args:
        samples: length of the audio.
        longest: most samples in a chunk.
        overlap: samples that neighbors share, fewer than `longest`; like `longest` rounded down to whole frames.
        hop: samples from one frame to the next.
    """
    longest, overlap = longest // hop * hop, overlap // hop * hop
    starts = range(0, max(samples - overlap, 1), longest - overlap)
    return [slice(start, min(start + longest, samples)) for start in starts]


def join(chunks: Sequence[slice], hidden: Sequence[Sequence[np.ndarray]], *, hop: int) -> list[np.ndarray]:
    """Returns the hidden states of the whole audio, (T, D) a layer; neighbors meet in the middle of what they share.

    Args:
        chunks: as `cut` made them.
        hidden: for each chunk its (T, D) a layer.
        hop: samples from one frame to the next.
    """
    spans = list(_spans(chunks, [len(states[0]) for states in hidden], hop))
    parts = [[state[span] for state in states] for states, span in zip(hidden, spans, strict=True)]
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


def _spans(chunks: Sequence[slice], frames: Sequence[int], hop: int) -> Iterator[slice]:
    """Yields the frames that each chunk gives, counted from its own first one."""
    first = 0  # of all frames
    for number, (chunk, count) in enumerate(zip(chunks, frames, strict=True)):
        begin = chunk.start // hop
        is_last = number + 1 == len(chunks)
        end = begin + count if is_last else (chunks[number + 1].start + chunk.stop) // 2 // hop
        yield slice(first - begin, end - begin)
        first = end
