"""What goes wrong between machines is told in one line, before anybody waits."""

from types import SimpleNamespace

import pytest
import torch

from fsrfer.errors import TrainingError
from fsrfer.training import loop
from fsrfer.training.compute import open_fabric, told_of_others
from fsrfer.training.run import require_one_origin


def test_several_machines_need_a_place_to_meet(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(TrainingError, match="MASTER_ADDR is not set; set MASTER_ADDR and MASTER_PORT"):
        open_fabric(1, 2, "32-true")


def test_a_name_that_leads_to_this_machine_alone_is_told(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    for name, value in {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("socket.gethostbyname", lambda _name: "127.0.1.1")
    with pytest.raises(TrainingError, match=r"leads to 127\.0\.1\.1.*GLOO_SOCKET_IFNAME=eth0"):
        open_fabric(1, 2, "32-true")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Gloo connectFullMesh failed with remote=[127.0.0.1]:21379", "GLOO_SOCKET_IFNAME=eth0"),
        ("[pair.cc:534] Connection closed by peer [10.0.0.2]:6000", "look there"),
    ],
)
def test_processes_that_are_out_of_reach_are_told(said, advice):
    with pytest.raises(TrainingError, match="out of reach") as told, told_of_others(2):
        raise RuntimeError(f"{said}\nand a long trace")
    assert advice in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("processes", "said"), [(1, "Connection closed by peer"), (2, "mat1 and mat2 cannot be multiplied")]
)
def test_other_faults_stay_what_they_are(processes, said):
    with pytest.raises(RuntimeError, match=said), told_of_others(processes):
        raise RuntimeError(said)


def test_processes_that_see_different_data_or_checkpoints_do_not_go_on(tmp_path):
    elsewhere = SimpleNamespace(
        world_size=2, device=torch.device("cpu"), is_global_zero=True,
        all_gather=lambda number: torch.stack([number, number + 500]),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="have other data, or start from something else"):
        require_one_origin(elsewhere, {"data": {"ferplus train": "a hash"}})
    with pytest.raises(TrainingError, match=r"of step 0 here, of steps \[0, 500\] among all.*that all machines share"):
        loop.run(elsewhere, SimpleNamespace(parts={}), SimpleNamespace(max_steps=1), tmp_path, "stage")
