"""What a live market says when one of its processes ends by itself."""

import sys
from pathlib import Path

import pytest

from proofyard.core import Fault
from proofyard.network import processes


def test_a_process_that_ends_is_told_with_its_own_words_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "print('proofyard: no such port.\\n   --> a line of a compiler\\n    ^^^^'); raise SystemExit(2)"
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    with processes.processes_in(tmp_path) as started:
        started.start("market", key=bytes(32))
        started._started["market"].wait()
        with pytest.raises(Fault, match=r"^market: wanted it to run, it ended with 2: proofyard: no such port\. \(all"):
            started.check()
    assert "^^^^" in (tmp_path / "market.log").read_text(encoding="utf-8")
