from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
import torch

from sklssl import RotNetEmbedder
from sklssl._runtime import device
from sklssl._runtime.device import (
    current_device,
    forked_rng,
    network_dtype,
    network_precision,
    plain_torch,
    resolve_device,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bfloat16_where_the_hardware_has_it(monkeypatch, native):
    monkeypatch.setattr("sklssl._runtime.device._computes_in_bfloat16", lambda device: native)
    for precision, lowered in (("auto", native), ("float32", False), ("bfloat16", True)):
        with network_precision(CPU, precision):
            assert network_dtype() == (torch.bfloat16 if lowered else None)
            with plain_torch():
                assert network_dtype() is None
            with network_precision(CPU, "float32"):
                assert network_dtype() is None
            assert network_dtype() == (torch.bfloat16 if lowered else None)
    assert network_dtype() is None


def test_precision_is_of_one_thread():
    with network_precision(CPU, "bfloat16"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(network_dtype).result() is None


def test_what_the_processor_has_is_found_out():
    flags = _cpu_flags()
    if flags is None:
        pytest.skip("no /proc/cpuinfo")
    assert device._computes_in_bfloat16(CPU) == ("avx512_bf16" in flags)


def _cpu_flags():
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("flags")]
    except OSError:
        return None
    return lines[0].split() if lines else None


@pytest.mark.parametrize("device", ["abacus", "meta", "cuda:99", "hpu", "cpu:x"])
def test_a_device_that_is_not_there_is_named(device):
    """Or one that has no memory, as "meta"."""
    with pytest.raises(ValueError, match=f"'device' parameter of str must be 'auto'.*'{device}'"):
        resolve_device(device, owner="")


def test_forked_rng_seeds_inside_and_restores_outside():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with forked_rng(CPU, 1):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with forked_rng(CPU, 1):
        assert torch.equal(torch.rand(3), inside)


def test_forks_of_several_threads_may_overlap():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = forked_rng(CPU, 1), forked_rng(CPU, 2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_process_of_a_launcher_has_its_gpu(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device._of_this_process(torch.device("cuda")) == torch.device("cuda", 1)
    assert device._of_this_process(torch.device("cuda", 0)) == torch.device("cuda", 0)
    assert device._of_this_process(torch.device("cpu")) == torch.device("cpu")


def test_a_gpu_is_the_current_one_where_it_computes(monkeypatch, X):
    entered = []
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext(entered.append(device)))
    gpu = torch.device("cuda", 1)
    with current_device(gpu), current_device(CPU):
        assert entered == [gpu]
    asked = []
    monkeypatch.setattr(device, "current_device", lambda device: nullcontext(asked.append("fit")))
    monkeypatch.setattr(
        "sklssl._features.extractor.current_device",
        lambda device: nullcontext(asked.append("transform")),
    )
    embedder = RotNetEmbedder("convnet", max_epochs=1, symmetry=None).fit(X)
    assert "fit" in asked
    asked.clear()
    embedder.transform(X)
    assert asked == ["transform"]
    assert entered == [gpu]
