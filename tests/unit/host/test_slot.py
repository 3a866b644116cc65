"""The slot: what the host writes is what the agent reads."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from prs_agent.host import slot


def test_a_new_slot_is_idle(tmp_path: Path) -> None:
    slot.create(str(tmp_path / "slot"))
    assert slot.SlotReader(str(tmp_path / "slot")).read() == slot.SlotView(0, slot.IDLE, 0.0, 0)


def test_the_reader_sees_what_was_entered_last(tmp_path: Path) -> None:
    path = str(tmp_path / "slot")
    slot.create(path)
    writer, reader = slot.SlotWriter(path), slot.SlotReader(path)
    writer.set_token(2**33)
    writer.enter(41, slot.LOADING, 12.5)
    writer.enter(42, slot.RUNNING, 13.5)
    assert reader.read() == slot.SlotView(42, slot.RUNNING, 13.5, 2**33)
    writer.enter_phase(slot.IDLE)
    view = reader.read()
    assert (view.index, view.phase, view.token) == (42, slot.IDLE, 2**33)


def test_of_a_writer_that_died_while_writing_the_last_bytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "slot"
    path.write_bytes(struct.pack("=QQQdQ", 3, 9, slot.RUNNING, 1.0, 5) + bytes(24))
    assert slot.SlotReader(str(path)).read() == slot.SlotView(9, slot.RUNNING, 1.0, 5)


def test_another_file_is_no_slot(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(b"short")
    with pytest.raises(ValueError, match="is no slot"):
        slot.SlotReader(str(tmp_path / "slot"))


def test_without_a_path_nothing_is_shared() -> None:
    slot.SlotWriter("").enter(1, slot.RUNNING, 2.0)
