"""How many planted near-duplicates are found, and what else is called one.

    python -m benchmarks.accuracy.near_duplicates [--seeds 0 1 2] [--data NAME ...]
                                                  [--embedder NAME ...] [--sheets FOLDER]
    python -m benchmarks.accuracy.near_duplicates --large

9,500 images of CIFAR-10 (JPEG), or of Tiny-ImageNet, and 500 copies; 3,440 traffic signs and 344
copies. A quarter of the copies each is encoded again (JPEG, quality 50 to 75), resized to 80 % or
125 % and back, cropped by 5 % of the side and resized, and brightened by 15 %. The features are
those of the embedder fitted on all images.

A result has the share of copies that are in one group with their original, the number of groups,
and of those without such a pair. `rivals_<metric>` are the images that have a neighbour, other
than their copy, nearer than 95 % of the copies are to their originals: by the cosine, and by the
distance scaled by those to the 10th neighbours. `--sheets` writes a picture of the groups without
a copy of ours, to count by eye those that are real. Traffic signs are series of photographs of one
sign: `one_sign` is the share of the groups of more than one original that belong to one series.
`--large` measures the time and the memory, in addition to the features, for 100,000 random rows of
512 features, 500 of which are copies with noise.
"""

import argparse
import resource
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import decode, home
from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.curation import find_near_duplicates, kneighbors
from sklssl.datasets import load_cifar10

N_IMAGES, N_COPIES = 9500, 500
KINDS = ("jpeg", "resized", "cropped", "brighter")


def cifar(rng):
    X, _ = load_cifar10(return_X_y=True)
    return X[rng.permutation(len(X))[:N_IMAGES]]


def tiny(rng):
    with zipfile.ZipFile(home() / "tiny-imagenet-200-sub.zip") as file:
        names = [n for n in file.namelist() if n.endswith(".JPEG") and "train/" in n]
        some = rng.permutation(len(names))[:N_IMAGES]
        return np.stack([decode(file.read(names[i])) for i in some])


def signs(rng):
    with np.load(home() / "gtsrb-sub.npz", allow_pickle=False) as d:
        return d["x_train"]


SETS = {"cifar10": cifar, "tiny-imagenet": tiny, "gtsrb": signs}


def resize(image, side, interpolation=cv2.INTER_LINEAR):
    return cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=interpolation)


def copy_of(image, kind, rng):
    side = len(image)
    if kind == "jpeg":
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 76))]
        return decode(cv2.imencode(".jpg", image[..., ::-1], quality)[1])
    if kind == "resized":
        other = round(side * rng.choice([0.8, 1.25]))
        ways = (cv2.INTER_AREA, cv2.INTER_LINEAR)
        first, back = ways if other < side else ways[::-1]
        return resize(resize(image, other, first), side, back)
    if kind == "cropped":
        kept = side - max(1, round(0.05 * side))
        top, left = rng.integers(0, side - kept + 1, 2)
        return resize(image[top : top + kept, left : left + kept], side)
    return np.clip(np.rint(1.15 * image), 0, 255).astype(np.uint8)


def plant(name, seed):
    """Return images, and for the last of them, which are copies, the rows of their originals."""
    rng = np.random.default_rng(seed)
    X = SETS[name](rng)
    originals = rng.permutation(len(X))[: min(N_COPIES, len(X) // 10)]
    copies = [copy_of(X[row], KINDS[i % 4], rng) for i, row in enumerate(originals)]
    return np.concatenate([X, np.stack(copies)]), originals


def share_of_series(groups):
    with np.load(home() / "gtsrb-sub.npz", allow_pickle=False) as d:
        series = np.stack([d["y_train"], d["track_train"]], axis=1)
    originals = [group[group < len(series)] for group in groups]
    same = [(series[rows] == series[rows[0]]).all() for rows in originals if len(rows) > 1]
    return round(float(np.mean(same)), 4)


def embedders(seed):
    yield "PatchDictionary", PatchDictionaryEmbedder(random_state=seed)
    yield "untrained RotNet", RotNetEmbedder(max_epochs=0, random_state=seed)


def rivals(Z, originals, metric):
    """Return the numbers of images with a rival, by the cosine and by the scaled distance."""
    n, n_first = len(Z), len(Z) - len(originals)
    cosines, neighbours = kneighbors(Z, 11, metric=metric)
    distances = np.sqrt(2 * cosines)
    partner = np.full(n, -1)
    partner[n_first:], partner[originals] = originals, np.arange(n_first, n)
    copies = neighbours == partner[:, None]
    out = {}
    scale = distances[:, 9]
    for kind in ("fixed", "scaled"):
        if kind == "scaled":
            distances = distances / (scale[:, None] * scale[neighbours])
        own = np.where(copies, distances, np.inf).min(axis=1)[n_first:]
        limit = np.quantile(own, 0.95, method="higher")
        other = (distances <= limit) & ~copies & (neighbours < n_first)
        found = int(other[:n_first].any(axis=1).sum()) if np.isfinite(limit) else None
        out[f"rivals_{metric}_{kind}"] = found
    return out


def draw_sheet(X, groups, path):
    """Write a picture with two images of each group."""
    tiles = []
    for group in groups:
        pair = [resize(X[row], 64, cv2.INTER_NEAREST) for row in group[:2]]
        tiles.append(np.pad(np.concatenate(pair, axis=1), [(2, 14), (2, 2), (0, 0)]))
        cv2.putText(tiles[-1], f"{len(tiles)} ({len(group)})", (4, 77), 0, 0.35, (255,) * 3)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 10)
    lines = [np.concatenate(tiles[i : i + 10], axis=1) for i in range(0, len(tiles), 10)]
    cv2.imwrite(str(path), np.concatenate(lines)[..., ::-1])


def run(name, seed, chosen, sheets):
    X, originals = plant(name, seed)
    for title, embedder in embedders(seed):
        if chosen and title not in chosen:
            continue
        Z = embedder.fit_transform(X)
        start = time.perf_counter()
        groups = find_near_duplicates(Z)
        seconds = time.perf_counter() - start
        label = -np.arange(1, len(X) + 1)
        for number, group in enumerate(groups):
            label[group] = number
        found = label[originals] == label[len(X) - len(originals) :]
        others = [g for i, g in enumerate(groups) if i not in set(label[originals[found]])]
        write_line(
            __file__,
            data=name,
            features=title,
            seed=seed,
            images=len(X),
            found=round(float(found.mean()), 4),
            **{kind: round(float(found[i::4].mean()), 4) for i, kind in enumerate(KINDS)},
            groups=len(groups),
            other_groups=len(others),
            largest=len(groups[0]) if groups else 0,
            images_in_other_groups=sum(map(len, others)),
            **rivals(Z, originals, "standardized"),
            **rivals(Z, originals, "whitened"),
            **({"one_sign": share_of_series(groups)} if name == "gtsrb" else {}),
            seconds=round(seconds, 1),
        )
        if sheets and others:
            draw_sheet(X, others, sheets / f"{name}_{title.replace(' ', '_')}_{seed}.png")


def run_large():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((100_000, 512), dtype=np.float32)
    Z[-500:] = Z[:500] + 0.2 * rng.standard_normal((500, 512), dtype=np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    groups = find_near_duplicates(Z)
    write_line(
        __file__,
        data="random, 100,000 x 512",
        function="find_near_duplicates",
        groups=len(groups),
        seconds=round(time.perf_counter() - start, 1),
        extra_mb=round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--embedder", nargs="*", help="default: both")
    parser.add_argument("--sheets", type=Path, help="a folder for pictures")
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    if args.large:
        run_large()
    for data_set in [] if args.large else args.data:
        for number in args.seeds:
            run(data_set, number, args.embedder, args.sheets)
