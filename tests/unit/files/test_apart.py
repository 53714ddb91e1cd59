"""Files are looked at in a process of their own, which has nothing to lose and takes nobody along."""

import subprocess
import sys
from pathlib import Path

import pytest

from libs.files import apart
from libs.files.apart import examined
from libs.files.checking import examine
from libs.files.faults import BadFile
from libs.files.limits import Limits
from tests.unit.files.build import DOCX, SOUND


async def test_the_process_finds_what_the_rule_finds() -> None:
    assert await examined(SOUND[DOCX], Limits()) == examine(SOUND[DOCX], Limits())
    assert (await examined(SOUND["image/jpeg"], Limits())).media == "image/jpeg"


async def test_a_refusal_comes_back_with_its_reason() -> None:
    with pytest.raises(BadFile) as refused:
        await examined(SOUND["image/jpeg"], Limits(pixels=10))
    assert refused.value.why == "too_many_pixels"


async def test_a_file_at_which_the_process_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BadFile) as refused:
        await examined(SOUND["image/jpeg"], Limits())
    assert refused.value.why == "unreadable"


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A program that does not come to its end."""
    script = tmp_path / "endless"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o700)
    return str(script)


async def test_a_process_that_does_not_come_to_an_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, endless: str
) -> None:
    monkeypatch.setattr(sys, "executable", endless)
    monkeypatch.setattr(apart, "SECONDS", 0.05)
    with pytest.raises(BadFile) as refused:
        await examined(SOUND["image/jpeg"], Limits())
    assert refused.value.why == "unreadable"


def test_whoever_asks_it_loads_no_decoder() -> None:
    code = "import sys, services.intake.main; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BOUND = """
import os, resource, sys
from libs.files import apart
apart._bound()
try:
    bytearray(2 * apart.MEMORY)
except MemoryError:
    print("bounded")
print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])
"""


def test_its_memory_time_and_files_are_bounded() -> None:
    told = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["bounded", "20", "0"]
