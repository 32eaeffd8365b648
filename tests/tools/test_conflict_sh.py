"""egs/mini/conflict.sh: what it passes to run.sh and to the sweep."""

import shutil

STUB = '#!/usr/bin/env bash\nprintf "%s|" "$@" >> "{log}"; echo >> "{log}"\n{more}\n'


def test_every_share_of_conflict_is_run_and_swept_with_its_own_folders(tmp_path, root, run):
    recipe, log = tmp_path / "egs" / "mini", tmp_path / "log"
    recipe.mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    shutil.copy(root / "egs" / "mini" / "conflict.sh", recipe)
    train = 'mkdir -p "${@: -1}"/amber2-fbank-s1'  # the last word is the folder of --exp_dir
    python = tmp_path / "python"
    stubs = {recipe / "run.sh": train, tmp_path / "tools" / "setup.sh": f"echo {python}", python: ""}
    for path, more in stubs.items():
        path.write_text(STUB.format(log=log, more=more))
        path.chmod(0o755)
    done = run(recipe / "conflict.sh", "--folds", "1")
    assert done.returncode == 0, done.stderr
    *runs, _, sweep = [line.split("|")[:-1] for line in log.read_text().splitlines()]
    shares = ["0", "0.25", "0.5", "0.75", "1"]
    assert [words[words.index("--set") + 1] for words in runs] == [f"data.mini_conflict={share}" for share in shares]
    assert all("--folds 1" in " ".join(words) for words in runs)
    for option, folders in (("--data_dirs", [f"data_{share}" for share in shares]),
                            ("--results", [f"exp_{share}/amber2-fbank-s1" for share in shares])):  # fmt: skip
        start = sweep.index(option) + 1
        assert sweep[start : start + 5] == folders
