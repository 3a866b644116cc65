"""Real mini-batches through the real host: files and tables."""

from __future__ import annotations

from pathlib import Path

from prs_agent.host.frames import Append, Failed, Notice
from prsd.base.columns import Column
from tests.integration.host.conftest import StartHost, payloads
from tests.unit.host.conftest import write_part

TEXT = Append(enabled=True)


def test_28_files_arrive_as_paths(start_host: StartHost, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.txt").write_text(f"content {number}")
    write_part(tmp_path / "p", {"kind": "files"}, [["0.txt", "1.txt"], ["2.txt"]])
    source = "def run(mini_batch): return [mini_batch.task_id + ' ' + open(path).read() for path in mini_batch]"
    host = start_host(source, input_kind="files", input_root=str(tmp_path / "in"), append=TEXT)
    host.run(0, 2, part="p")
    results = host.results_of(2)[0]
    assert payloads(results) == [b"\x000 content 0\n0 content 1\n", b"\x001 content 2\n"]
    assert list(Column.from_bytes(results.items_total, 2)) == [2, 1]


def _table(folder: Path, content: bytes, size: int, parts: int, strict: bool = False) -> None:
    (folder / "t.csv").write_bytes(content)
    plan = {"columns": [{"name": "n", "dtype": "int64"}, {"name": "s", "dtype": "string"}], "strict_types": strict}
    files = [{"path": "t.csv", "size": len(content), "data_start": 4, "first": 0, "parts": parts}]
    write_part(folder / "p", {"kind": "table", "count": parts, "files": files, "size": size, "plan": plan})


def test_rows_arrive_as_dataframes_and_empty_mini_batches_are_not_run(start_host: StartHost, tmp_path: Path) -> None:
    _table(tmp_path, b"n,s\n" + b"1,abcdefgh\n" * 2 + b"2," + b"x" * 40 + b"\n3,y\n", 12, 7)
    source = """
        def run(mini_batch, context):
            assert len(mini_batch)
            assert list(mini_batch.columns) == ["n", "s"]
            assert context.dataset.to_pandas_dataframe() is mini_batch
            return [[int(mini_batch.n.sum()), context.global_row_index_lower_bound]]
        """
    host = start_host(source, input_kind="tabular", input_root=str(tmp_path), append=TEXT)
    host.run(0, 7, part="p")
    found = sorted(host.results_of(7), key=lambda each: each.first)
    indexes = {
        empty: [at for each in found if each.empty is empty for at in range(each.first, each.first + each.count)]
        for empty in (False, True)
    }
    assert indexes == {False: [0, 1, 2, 5], True: [3, 4, 6]}
    rows = [payload for each in found for payload in payloads(each) if payload]
    assert rows == [b"\x00[1, 0]\n", b"\x00[1, 1]\n", b"\x00[2, 2]\n", b"\x00[3, 3]\n"]


def test_47_a_value_that_inference_missed_widens_its_mini_batch_with_a_notice(start_host: StartHost, tmp_path: Path) -> None:
    _table(tmp_path, b"n,s\n1,a\nx,b\n", 1000, 1)
    host = start_host(
        "def run(mini_batch): return list(mini_batch.n)", input_kind="tabular", input_root=str(tmp_path), append=TEXT
    )
    host.run(0, part="p")
    assert payloads(host.results_of(1)[0]) == [b"\x001\nx\n"]
    assert "column 'n'" in host.wait_for(Notice)[0].message


def test_strict_types_fail_without_retry(start_host: StartHost, tmp_path: Path) -> None:
    _table(tmp_path, b"n,s\n1,a\nx,b\n", 1000, 1, strict=True)
    host = start_host("def run(mini_batch): return []", input_kind="tabular", input_root=str(tmp_path))
    host.run(0, part="p")
    failed = host.wait_for(Failed)[0]
    assert (failed.kind, failed.permanent) == ("load", True)
    assert "--strict_types" in failed.message


def test_input_that_cannot_be_read_fails_the_mini_batch(start_host: StartHost, tmp_path: Path) -> None:
    host = start_host("def run(mini_batch): return []", input_kind="files")
    host.run(0, 2, part="missing")
    found = host.wait_for(Failed, lambda found: len(found) == 2)
    assert [each.kind for each in found] == ["load", "load"]
    assert "missing" in found[0].message
    assert host.close() == 0
