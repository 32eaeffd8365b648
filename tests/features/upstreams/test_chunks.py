import numpy as np
import pytest

from ambiser.features.upstreams.chunks import cut, join, plan_batches

HOP = 10


def frames(audio):
    """A model whose frame t is the mean of the 25 samples from 10 t on."""
    count = (len(audio) - 25) // HOP + 1
    return [np.array([[audio[HOP * t : HOP * t + 25].mean()] for t in range(count)])]


@pytest.mark.parametrize("samples", [25, 399, 400, 401, 405, 439, 440, 699, 700, 701, 1234, 5000])
@pytest.mark.parametrize(("longest", "overlap"), [(400, 100), (405, 109), (333, 60)])
def test_frames_of_chunks_are_those_of_the_whole(samples, longest, overlap):
    audio = np.random.default_rng(samples).standard_normal(samples)
    chunks = cut(samples, longest=longest, overlap=overlap, hop=HOP)
    assert chunks[0].start == 0 and chunks[-1].stop == samples
    assert all(chunk.start % HOP == 0 and chunk.stop - chunk.start <= longest for chunk in chunks)
    for chunk, after in zip(chunks, chunks[1:], strict=False):
        assert chunk.stop - after.start == overlap // HOP * HOP
    joined = join(chunks, [frames(audio[chunk]) for chunk in chunks], hop=HOP)
    np.testing.assert_array_equal(joined[0], frames(audio)[0])


def test_neighboring_chunks_are_joined_in_the_middle_of_their_overlap():
    chunks = cut(700, longest=400, overlap=100, hop=HOP)
    hidden = [[np.full((len(frames(np.zeros(c.stop - c.start))[0]), 1), n)] for n, c in enumerate(chunks)]
    (joined,) = join(chunks, hidden, hop=HOP)
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 400), (300, 700)]
    assert np.flatnonzero(joined[:, 0])[0] == 35  # samples 350 of 300 to 400


def test_batches_are_of_like_length_and_bounded():
    generator = np.random.default_rng(0)
    samples = {f"u{number}": int(generator.integers(1, 100)) for number in range(200)} | {"long": 1000}
    batches = list(plan_batches(samples, 400))
    assert sorted(utt for batch in batches for utt in batch) == sorted(samples)
    assert batches[0] == ["long"]
    assert all(len(batch) * max(samples[utt] for utt in batch) <= 400 for batch in batches[1:])
    order = [samples[utt] for batch in batches for utt in batch]
    assert order == sorted(order, reverse=True)
    # None has room for the next one's longest.
    for batch, after in zip(batches[1:], batches[2:], strict=False):
        assert samples[batch[0]] * (len(batch) + 1) > 400, after
    assert list(plan_batches(dict(reversed(samples.items())), 400)) == batches
