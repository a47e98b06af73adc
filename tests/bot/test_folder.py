from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot import folder
from bot.errors import BadSettings

HOLD = "import sys, pathlib; from bot import folder\nwith folder.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_a_folder_is_made_and_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    data = tmp_path / "a" / "b"
    with folder.held(data), pytest.raises(BadSettings, match="EASEL_DATA_DIR"), folder.held(data):
        pass
    with folder.held(data):  # let go of
        assert data.is_dir()


def test_slots_share_a_folder_and_each_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    taken = pytest.raises(BadSettings, match="EASEL_SLOT: another Easel holds slot 1")
    with folder.held(tmp_path, 0), folder.held(tmp_path, 1), taken, folder.held(tmp_path, 1):
        pass


def test_a_killed_process_holds_it_no_longer(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BadSettings, match="Another Easel is at work"), folder.held(tmp_path):
            pass
        other.kill()
        other.wait(10)
        with folder.held(tmp_path):
            pass


def test_a_folder_that_can_not_be_made_is_said_kindly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings, match="can't be written"), folder.held(tmp_path / "file" / "data"):
        pass
