"""Times of fits and transforms in this checkout and another one, in separate processes.

    python -m benchmarks.speed.paired OTHER_CHECKOUT [--turns 4]

The checkouts take turns. The result of each call is the median, over the turns, of the ratio of the
seconds of this checkout to those of the other one, and the shortest time of each. The images are
noise of 32x32 pixels.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parents[2]


def measure(folder):
    """Time each call once, with the sklssl that is first on the path."""
    from sklssl import PatchDictionaryEmbedder, RotNetEmbedder

    X = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    paths = sorted(map(str, Path(folder).glob("*.png")))
    quick = RotNetEmbedder("convnet", max_epochs=2, random_state=0)
    untrained = RotNetEmbedder("convnet", max_epochs=0, random_state=0).fit(X[:200])
    calls = {
        "fit RotNet convnet, uint8": lambda: quick.fit(X),
        "fit RotNet convnet, float32": lambda: quick.fit((X / 255).astype(np.float32)),
        "fit RotNet convnet, PNG files": lambda: quick.fit(paths),
        "fit RotNet": lambda: RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:1000]),
        "fit PatchDictionary": lambda: PatchDictionaryEmbedder(random_state=0).fit(X),
        "transform convnet, uint8": lambda: untrained.transform(X),
        "transform convnet, PNG files": lambda: untrained.transform(paths),
    }
    seconds = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        seconds[name] = time.perf_counter() - start
    print(json.dumps(seconds))


def in_turns(other, turns, folder):
    """Return pairs of seconds for each call, those of this checkout first."""
    pairs = {}
    for turn in range(turns):
        times = {}
        for place in (HERE, other)[:: -1 if turn % 2 else 1]:
            command = [sys.executable, __file__, str(other), "--measure", folder]
            env = os.environ | {"PYTHONPATH": str(place)}
            done = subprocess.run(command, env=env, cwd=place, capture_output=True, check=True)
            times[place] = json.loads(done.stdout.splitlines()[-1])
        for name, seconds in times[HERE].items():
            pairs.setdefault(name, []).append((seconds, times[other][name]))
    return pairs


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("other", type=Path, help="the folder of another checkout")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure)
        sys.exit()
    from benchmarks._common import write_line  # may not exist in the other checkout

    version = ["git", "-C", str(args.other), "rev-parse", "--short", "HEAD"]
    against = subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        for i, image in enumerate(np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3))):
            cv2.imwrite(os.path.join(folder, f"{i:04}.png"), image.astype(np.uint8))
        pairs = in_turns(args.other.resolve(), args.turns, folder)
    for name, of_name in pairs.items():
        write_line(
            __file__,
            what=name,
            against=against,
            turns=args.turns,
            ratio=round(statistics.median(this / other for this, other in of_name), 3),
            seconds=round(min(this for this, _ in of_name), 2),
            seconds_other=round(min(other for _, other in of_name), 2),
        )
