"""What the doctor says of a machine, and when it is not content."""

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import torch
from fusebench.bench import doctor
from fusebench.fusers.neural import vgg16_weights

Command = Callable[..., tuple[int, str, str]]


def test_it_names_versions_devices_and_weights(command: Command) -> None:
    code, out, err = command("doctor")
    found = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert (code, err) == (0, "")
    assert found["python"] == platform.python_version()
    assert found["torch"] == metadata.version("torch")
    assert torch.backends.cpu.get_cpu_capability() in out
    assert "weights of vgg16" in out
    assert "digest verified" in out


def test_packages_of_extras_are_named_and_those_of_the_tests_are_not() -> None:
    found = dict(doctor.requirements())
    assert found["torch"] == ""
    assert found["SimpleITK"] == "itk"
    assert "ruff" not in found


def test_wrong_weights_and_a_missing_package_make_exit_code_1(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "vgg16.bin").write_bytes(b"nonsense")
    monkeypatch.setenv(vgg16_weights.VARIABLE, str(tmp_path / "vgg16.bin"))
    monkeypatch.setattr(doctor, "requirements", lambda: [("no-such-package", ""), ("nor-this", "itk")])
    vgg16_weights._load.cache_clear()
    code, out, err = command("doctor")
    assert code == 1
    assert "vgg16.bin" in out
    assert "pip install 'fusebench[itk]'" in out
    assert "weights of vgg16" in err
    assert "no-such-package" in err
    assert len(err.splitlines()) == 1
