"""The tutorials of the READMEs: a spreadsheet, a new loss, and the notebook, followed as they are written."""

import json
import runpy
import shlex
import sys

import numpy as np
import pytest
import soundfile
import torch
from tools.documented import blocks, commands

from ambiser.bin import import_table, prepare
from ambiser.config import Config
from ambiser.io.tables import read_table, read_tsv

NOTEBOOK = "egs/mini/votes_to_sets.ipynb"


def section(root, file, heading):
    """Returns the blocks of one section of a README."""
    text = (root / file).read_text(encoding="utf-8")
    part = text[text.index(f"\n## {heading}\n") + 1 :].split("\n## ")[0]
    return list(blocks(file, part))


def test_a_spreadsheet_becomes_folds_and_a_data_report(root, tmp_path, monkeypatch):
    found = section(root, "egs/kaldi/README.md", "Step by step")
    table = next(block for block in found if block.language == "text")
    importing, preparing, *_ = [command for block in found for command in commands(block)]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("\n".join(table.lines) + "\n")
    (tmp_path / "audio").mkdir()
    for seed, name in enumerate(dict.fromkeys(line.split(",")[0] for line in table.lines[1:])):
        noise = np.random.default_rng(seed).normal(0, 0.1, 8000)
        soundfile.write(tmp_path / "audio" / name, noise, 16000)
    monkeypatch.setattr(sys, "argv", shlex.split(importing)[2:])
    assert not import_table.main()
    assert len(read_tsv(tmp_path / "my_corpus" / "votes.tsv", ["utt", "rater", "label"])) == len(table.lines) - 1
    _, *words = shlex.split(preparing.replace("$PWD", str(tmp_path)))
    kept = [word for word in words if word not in ("--stop_stage", "1")]
    config = ["--config", str(root / "egs/kaldi/conf/ce.yaml"), "--data_dir", str(tmp_path / "data")]
    monkeypatch.setattr(sys, "argv", ["prepare", *config, *kept])
    assert not prepare.main()
    speakers = set(read_table(tmp_path / "data" / "all" / "utt2spk").values())
    assert speakers == {"ann", "ben", "cat"} and (tmp_path / "data" / "report.html").is_file()
    assert len(list((tmp_path / "data").glob("fold*"))) == len(speakers)


def test_the_new_loss_is_a_divergence_and_its_experiment_differs_in_one_key(root, tmp_path):
    code, yaml_block = [b for b in section(root, "ambiser/README.md", "How to add a loss") if b.language]
    (tmp_path / "new_loss.py").write_text("\n".join(code.lines))
    hellinger = runpy.run_path(str(tmp_path / "new_loss.py"))["hellinger"]
    assert len(code.lines) + len(yaml_block.lines) <= 30
    draws = torch.distributions.Dirichlet(torch.ones(4, dtype=torch.float64))
    target, probs = draws.sample((20,)), draws.sample((20,)).requires_grad_()
    expected = 1 - (target * probs).sqrt().sum(dim=1)  # 1 - BC, the usual form
    assert torch.allclose(hellinger(target, probs.log()), expected, atol=1e-9)
    assert torch.allclose(hellinger(target, target.log()), torch.zeros(20, dtype=torch.float64), atol=1e-9)
    one_hot = torch.eye(4, dtype=torch.float64)
    logits = torch.zeros(4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: hellinger(one_hot, values.log_softmax(dim=1)), logits)
    keys = [line.split(":")[0].strip() for line in yaml_block.lines if not line.startswith("#")]
    assert keys == ["base", "amber", "divergence"] and hasattr(Config().amber, "divergence")


@pytest.mark.parametrize("path", [NOTEBOOK])
def test_the_notebook_runs_and_shows_the_outputs_of_its_code(root, tmp_path, path, capsys):
    cells = json.loads((root / path).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    shown = ["".join(out.get("text", [])) for cell in cells for out in cell.get("outputs", [])]
    (tmp_path / "notebook.py").write_text("\n\n".join(code))
    runpy.run_path(str(tmp_path / "notebook.py"))
    assert capsys.readouterr().out == "".join(shown)
