"""The scripts of the pages run as they stand there, and a cluster finds what one process finds."""

import contextlib
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

import sklssl

ROOT = Path(__file__).parents[2]
PAGES = ("docs/searches.md", "docs/embedding_many.md")
find_code = runpy.run_path(str(ROOT / "docs/_pages.py"))["find_code"]
SCRIPTS = {}
for page in PAGES:
    SCRIPTS |= find_code((ROOT / page).read_text())[1]
N_IMAGES = 30


def start(*command, folder):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RAY_AUTH_MODE": "disabled",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process):
    out, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages
    return out, messages


def run_script(name, folder, n_processes=1):
    (folder / f"{name}.py").write_text(SCRIPTS[f"{name}.py"])
    running = [start(f"{name}.py", folder=folder) for _ in range(n_processes)]
    return [output(process) for process in running]


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_search_finds_what_it_finds_in_one_process(backend, package, tmp_path):
    pytest.importorskip(package)
    script = tmp_path / "search.py"
    script.write_text(SCRIPTS[f"search_with_{backend}.py"])
    job = ("-m", "tests.clusters._search", backend, str(script), str(tmp_path))
    out, messages = output(start(*job, folder=ROOT))
    found = json.loads(out.splitlines()[-1])
    assert min(found.pop("script")) > 0.8
    assert len(found) == 5
    for scores in found.values():
        assert scores == found["none"], messages


def test_two_processes_share_a_study(tmp_path):
    pytest.importorskip("optuna")
    outputs = run_script("search_with_optuna", tmp_path, n_processes=2)
    trials = [re.findall(r"Trial (\d+) finished", messages) for _, messages in outputs]
    assert all(trials)
    numbers = sorted(map(int, itertools.chain(*trials)))
    assert numbers in (list(range(5)), list(range(6)))  # both may begin the last one
    assert max(float(out.split()[-1]) for out, _ in outputs) > 0.8


@pytest.fixture(scope="module")
def fitted(digits, tmp_path_factory):
    """A folder with an embedder and images, and the features of these."""
    folder = tmp_path_factory.mktemp("embedding")
    (folder / "images").mkdir()
    for i, image in enumerate(digits[0][:N_IMAGES]):
        cv2.imwrite(str(folder / "images" / f"{i:03}.png"), image)
    with contextlib.chdir(folder):
        for name in ("fit_embedder", "embed"):
            exec(compile(SCRIPTS[f"{name}.py"], name, "exec"), {})
    names = json.loads((folder / "features" / "part-00000.paths.json").read_text())
    Z = np.load(folder / "features" / "part-00000.npy")
    embedder = sklssl.load(folder / "embedder.safetensors")
    images = sorted(map(str, (folder / "images").iterdir()))
    np.testing.assert_allclose(Z, embedder.transform(images), rtol=1e-4, atol=1e-5)
    assert [Path(name).name for name in names] == [Path(image).name for image in images]
    return folder, names, Z


@pytest.mark.parametrize(
    ("name", "package"), [("dask", "distributed"), ("ray", "ray"), ("spark", "pyspark")]
)
def test_scripts_that_embed(name, package, fitted):
    pytest.importorskip(package)
    if name == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    folder, names, Z = fitted
    run_script(f"embed_with_{name}", folder)
    files = sorted((folder / f"features_{name}").glob("*.parquet"))
    table = [row for file in files for row in pq.read_table(file).to_pylist()]
    rows = {row["path"]: row["features"] for row in table}
    assert len(table) == len(rows) == N_IMAGES
    found = np.stack([np.asarray(rows[name]) for name in names])
    np.testing.assert_allclose(found, Z, rtol=1e-3, atol=1e-4)
