"""One of several processes of a distributed run; imported by those processes."""

import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from sklssl.losses import nt_xent, nt_xent_to_mean


def make_network():
    torch.manual_seed(0)
    return nn.Linear(5, 4).double()


def losses(network, images):
    """Both losses of images (3, b, 5); the third view stands for the mean."""
    z = network(images)
    return {"pair": nt_xent(z[0], z[1], 0.3), "mean": nt_xent_to_mean(z[:2], z[2], 0.2)}


def gradient(network, images, name):
    """Value and gradient in the weights of one of the losses."""
    network.zero_grad()
    loss = losses(network, images)[name]
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in network.parameters()])


def unequal_batches(rank):
    try:
        nt_xent(torch.rand(2 + rank, 4), torch.rand(2 + rank, 4))
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
    share = images.chunk(world_size, dim=1)[rank]
    found = {name: gradient(make_network(), share, name) for name in ("pair", "mean")}
    for _, grad in found.values():
        # What DistributedDataParallel does; itself, it takes seconds to import.
        dist.all_reduce(grad)
        grad /= world_size
    one_each = nt_xent(images[0, rank, None], images[1, rank, None]).item()
    found |= {"error": unequal_batches(rank), "one_each": one_each}
    torch.save(found, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()
