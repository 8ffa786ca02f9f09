"""How large an image map is, and how fast it is written, opened and moved.

    python -m benchmarks.speed.image_map [--tsne]

Maps of 20,000 images of CIFAR-10 (32x32) and of Tiny ImageNet (64x64, from the file
"tiny-imagenet-200-sub.zip" in SKLSSL_DATA) are opened in a headless Chromium. The features are the
pixels of the images shrunk to 8x8, and the positions their first two principal components; --tsne
times t-SNE instead, which takes minutes. Needs plotly, selenium, chromium and chromedriver. WebGL
runs in software.
"""

import argparse
import io
import os
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sklearn.manifold import TSNE

from benchmarks._common import write_line
from sklssl.datasets import load_cifar10
from sklssl.inspection import write_image_map
from tests.inspection._image_map._browser import start_browser

N = 20_000
WINDOW = {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
# Set as soon as every picture of the view is drawn.
WATCH = """
const watch = () => {
  if (document.querySelector("#overlay[aria-busy=false]")) window.drawnAt = performance.now();
  else requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
COUNT_FRAMES = """
window.frames_ = [];
const count = (time) => { window.frames_.push(time); requestAnimationFrame(count); };
requestAnimationFrame(count);
"""


class FirstTwo:
    """The first two of the principal components."""

    def fit_transform(self, Z):
        return Z[:, :2]


class TimedTSNE:
    """The default of write_image_map, with its seconds."""

    def fit_transform(self, Z):
        start = time.perf_counter(), time.process_time()
        positions = TSNE(random_state=0).fit_transform(Z)
        self.seconds = time.perf_counter() - start[0]
        self.cpu_seconds = time.process_time() - start[1]
        return positions


def cifar():
    X, y = load_cifar10(return_X_y=True)
    return X[:N], y[:N]


def tiny_imagenet():
    path = Path(os.environ["SKLSSL_DATA"]) / "tiny-imagenet-200-sub.zip"
    with zipfile.ZipFile(path) as file:
        names = sorted(x for x in file.namelist() if x.endswith(".JPEG") and "train/" in x)[:N]
        images = [np.array(Image.open(io.BytesIO(file.read(x))).convert("RGB")) for x in names]
    return np.stack(images), np.array([Path(x).name.split("_")[0] for x in names])


def drag(chrome, steps=90):
    """Return the intervals between frames in ms, while the map is dragged to and fro."""

    def mouse(kind, x, y):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    mouse("mousePressed", 500, 450)
    chrome.execute_script(COUNT_FRAMES)
    for step in range(steps):
        turn = np.sin(2 * np.pi * step / steps)
        mouse("mouseMoved", 500 + round(200 * turn), 450 + round(100 * turn))
    frames = chrome.execute_script("return window.frames_")
    mouse("mouseReleased", 500, 450)
    return np.diff(np.unique(frames))


def open_and_drag(path):
    """Return the seconds to open the page, and the times of frames at two enlargements."""
    chrome = start_browser(path.parent)
    try:
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WINDOW)
        chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        chrome.get(path.as_uri())
        while not (drawn := chrome.execute_script("return window.drawnAt")):
            time.sleep(0.1)
        row = {"open_s": round(drawn / 1000, 2), "chromium": chrome.capabilities["browserVersion"]}
        for zoom, presses in (("whole", 0), ("enlarged", 5)):
            for _ in range(presses):
                chrome.find_element("id", "in").click()
            time.sleep(1)
            times = drag(chrome)
            row[zoom] = {
                "pictures": int(chrome.find_element("id", "overlay").get_attribute("data-shown")),
                "frames": len(times),
                "median_ms": round(float(np.median(times)), 1),
                "p95_ms": round(float(np.percentile(times, 95)), 1),
                "max_ms": round(float(times.max()), 1),
            }
    finally:
        chrome.quit()
    return row


def measure(name, load, tsne):
    X, y = load()
    Z = np.stack([cv2.resize(x, (8, 8), interpolation=cv2.INTER_AREA).ravel() for x in X]) / 255
    reducer = TimedTSNE() if tsne else FirstTwo()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = write_image_map(Path(folder) / "map.html", Z, X, y, reducer=reducer, random_state=0)
        seconds = time.perf_counter() - start
        row = {"bytes": path.stat().st_size}
        if tsne:
            row |= {
                "tsne_s": round(reducer.seconds, 1),
                "tsne_cpu_s": round(reducer.cpu_seconds, 1),
            }
            seconds -= reducer.seconds
        row |= {"write_s": round(seconds, 1), "load": os.getloadavg()[0], **open_and_drag(path)}
    size = "x".join(map(str, X.shape[1:3]))
    where = {"plotly": version("plotly"), "webgl": "software"}
    write_line(__file__, data=name, images=len(X), size=size, tsne=tsne, **row, **where)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tsne", action="store_true")
    tsne = parser.parse_args().tsne
    for name, load in (("cifar10", cifar), ("tiny-imagenet", tiny_imagenet)):
        measure(name, load, tsne)
        if tsne:  # its time depends on the number of images only
            break
