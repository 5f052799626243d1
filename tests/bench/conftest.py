"""The command line, run in the test's own process."""

import sys
from collections.abc import Callable

import pytest
from fusebench.bench import cli
from fusebench.fusers.neural import multifocus_weights, vgg16_weights


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # starting workers would take longer than the work
    # Weights that somebody has are not those of the tests.
    monkeypatch.setenv(vgg16_weights.VARIABLE, "")
    monkeypatch.setenv(multifocus_weights.VARIABLE, "")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fusebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return run
