"""What one and two signals do."""

import signal
import subprocess
import sys

import pytest

from cli import app
from cli.app import stop_on_signals


def test_a_signal_that_comes_twice_at_once_counts_once() -> None:
    stops: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(lambda: stops.append(1)):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert stops == [1]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "ONE_PRESS", 0.0)
    with stop_on_signals(lambda: None):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_ends_at_once() -> None:
    code = (
        "import signal\n"
        "from cli import app\n"
        "app.ONE_PRESS = 0.0\n"
        "with app.stop_on_signals(lambda: print('first', flush=True)):\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    print('alive')\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert said.stdout == "first\n"
    assert said.returncode == -signal.SIGTERM
