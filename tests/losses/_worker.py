"""One of several processes of a distributed run; imported by those processes."""

import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from sklssl.losses import (
    barlow_twins,
    coding_rate,
    gaussian_distance,
    info_nce,
    local_infomax,
    negative_cosine,
    nt_xent,
    nt_xent_to_mean,
    rotation_invariance,
    similarity_to_mean,
    sinkhorn,
    soft_cross_entropy,
    vicreg,
)


def make_network():
    torch.manual_seed(0)
    return nn.Linear(5, 4).double()


_QUEUE = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
_DIRECTIONS = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def swapped_prediction(z):
    return soft_cross_entropy(z[1], sinkhorn(z[0].detach(), 0.5), 0.3)


# Of projections (3, b, 4): three views of each image.
LOSSES = {
    "nt_xent": lambda z: nt_xent(z[0], z[1], 0.3),
    "nt_xent_to_mean": lambda z: nt_xent_to_mean(z[:2], z[2], 0.2),
    "barlow_twins": lambda z: barlow_twins(z[0], z[1]),
    "vicreg": lambda z: vicreg(z[0], z[1])["loss"],
    "negative_cosine": lambda z: negative_cosine(z[0], z[1]),
    "info_nce": lambda z: info_nce(z[0], z[1], _QUEUE)[0],
    "sinkhorn": swapped_prediction,
    "local_infomax": lambda z: local_infomax(z[:2].transpose(0, 1), z[2])[0],
    "coding_rate": lambda z: coding_rate(z[0]),
    "similarity_to_mean": similarity_to_mean,
    "gaussian_distance": lambda z: gaussian_distance(z[0], _DIRECTIONS),
    "rotation_invariance": rotation_invariance,
}


def gradient(network, images, name, weight=1.0):
    """Value and gradient in the weights of one of the losses."""
    network.zero_grad()
    loss = weight * LOSSES[name](network(images))
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in network.parameters()])


def unequal_widths(rank):
    try:
        nt_xent(torch.rand(2, 4 + rank), torch.rand(2, 4 + rank))
    except ValueError as error:
        return str(error)
    return "no error"


def work(rank, world_size, folder, images):
    """Take a share of the images (3, n, 5), rank after rank, and save what comes out."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    # Of 6 images, 3 each; of 5 images, 3 and 2.
    found = {}
    for n_images in (6, 5):
        share = images[:, :n_images].tensor_split(world_size, dim=1)[rank]
        for name in LOSSES:
            found[name, n_images] = gradient(
                make_network(), share, name, weight=share.shape[1] / n_images
            )
            # As DistributedDataParallel does, which takes seconds to import.
            for total in found[name, n_images]:
                dist.all_reduce(total)
    own = images[:, :6].chunk(world_size, dim=1)[rank]
    one_each = nt_xent(images[0, rank, None], images[1, rank, None]).item()
    found["error"], found["one_each"] = unequal_widths(rank), one_each
    found["own"] = nt_xent(own[0], own[1]).item()
    torch.save(found, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()
