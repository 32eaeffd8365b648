"""The report page in a real browser: opens without errors, its list filters and sorts, sounds are decoded."""

import importlib.util
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from urllib.parse import quote

import pytest

from ambiser.bin import report, score
from ambiser.io.tables import read_table, write_table

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: the report page was not tested in a browser")


@pytest.fixture(scope="module")
def page(tmp_path_factory, make_recipe):
    """The page of two experiments, with sounds and transcripts."""
    recipe = make_recipe(tmp_path_factory.mktemp("page with blank")).prepare()
    recipe.train("ce", epochs=1).train("ipr", epochs=1)
    utts = list(read_table(recipe.layout.table("utt2spk")))
    sound = recipe.root / "sounds" / "a #1.wav"
    sound.parent.mkdir()
    with wave.open(str(sound), "wb") as stream:
        stream.setparams((1, 2, 16000, 8000, "NONE", ""))
        stream.writeframes(b"\0\1" * 8000)
    write_table(recipe.layout.table("wav.scp"), dict.fromkeys(utts, sound))
    write_table(recipe.layout.table("text"), {utt: f"words of {utt} </script> <b>" for utt in utts})
    for program in (score, report):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [program.__name__, *recipe.words("ce", "ipr")])
            program.main()
    return recipe.layout.exp_dir / "report.html"


@pytest.fixture
def look(page, tmp_path):
    """Opens the page with filters in its address; returns what it then holds, after checking for errors."""

    def look(**filters):
        address = page.as_uri() + "#" + "&".join(f"{key}={quote(value)}" for key, value in filters.items())
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
        folder = [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000"]
        blocked = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
        done = subprocess.run(
            [BROWSER, *options, *folder, *blocked, address], capture_output=True, text=True, timeout=120, check=True
        )
        faults = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not faults, faults
        return done.stdout

    return look


@pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None,
    reason="no axe-core (pip install --no-deps axe-playwright-python): the page was not checked for accessibility",
)
@pytest.mark.parametrize("width", [1200, 500])
def test_axe_finds_no_fault(page, tmp_path, width):
    axe = Path(importlib.util.find_spec("axe_playwright_python").origin).with_name("axe.min.js").read_text()
    run = """axe.run(document, {resultTypes: ["violations"]}).then((found) => {
      const ids = found.violations.map((one) => one.impact + " " + one.id);
      document.body.append("AXE " + JSON.stringify(ids) + " EXA");
    })"""
    scripts = f"<script>{axe.replace('</script', '')}</script><script>addEventListener('load', () => {run})</script>"
    checked = tmp_path / "checked.html"
    checked.write_text(page.read_text().replace("</body>", f"{scripts}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--window-size={width},900"]
    folder = [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000"]
    command = [BROWSER, *options, *folder, checked.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert re.search(r"AXE (\[.*?\]) EXA", done.stdout.split("<script>")[-1])[1] == "[]"


def _names(dom):
    return re.findall(r"<article[^>]*><header><strong>([^<]+)", dom)


def _gaps(dom):
    return [float(value) for value in re.findall(r"JSD ([0-9.]+) bits", dom.split('id="list"')[1])]


def test_the_page_opens_without_an_error_and_shows_the_most_divergent_first(look):
    dom = look()
    assert re.search(r"1\d\d found, 40 shown", dom) and len(_names(dom)) == 40
    assert _gaps(dom) == sorted(_gaps(dom), reverse=True)
    assert "words of Ses0" in dom and "&lt;/script&gt; &lt;b&gt;" in dom


def test_the_list_filters_and_sorts(look):
    dom = look(**{"class": "angry", "level": "low", "kind": "precise", "sort": "name", "tag": "ipr-fbank-s1"})
    names = _names(dom)
    assert names and names == sorted(names)
    cards = dom.split('id="list"')[1].split("<article")[1:]
    assert all("precise" in card and "angry \u25c0" in card and "100 / " in card for card in cards)
    least = _gaps(look(sort="least"))
    assert least == sorted(least) and least[0] < least[-1]
    assert len(_names(look(**{"class": "none"}))) > 0 and "precise" not in "".join(
        look(**{"class": "none"}).split('id="list"')[1].split("<script")[0]
    )


def test_words_find_an_utterance_and_its_sound_is_decoded(look, page):
    name = _names(look(sort="name"))[0]
    dom = look(q=f"words of {name.upper()}")
    assert _names(dom) == [name] and 'title="0.50 s"' in dom and "a%20%231.wav" in dom
