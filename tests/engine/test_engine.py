"""Work that is done record by record: whatever the engine, each record has one part, in the order of the records."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.engine.local import ATTEMPTS, finish_in_pool
from ecgfeat.engine.parts import Part, PartFolder
from ecgfeat.engine.run import Engine, finish_records
from ecgfeat.engine.shards import Shard
from ecgfeat.engine.work import WorkName, finish_record, part_key
from ecgfeat.errors import UsageError
from tests.engine.counting import Counting

ROOT = Path(__file__).parents[2]
RECORDS = [f"r{number}" for number in range(12)]


@pytest.fixture
def seen(tmp_path):
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


def name_of(seen: Path, kills: str = "", faults: str = "") -> WorkName:
    return WorkName("tests.engine.counting", "Counting", (str(seen), kills, faults))


def times_worked_on(seen: Path) -> dict[str, int]:
    names = [path.name.split("-")[0] for path in seen.iterdir()]
    return {record: names.count(record) for record in RECORDS}


def check_parts(finished, faulty=()):
    finished = list(finished)
    assert [record for record, _ in finished] == RECORDS
    for record, part in finished:
        if record in faulty:
            assert isinstance(part, str)
            assert record in part
            continue
        number = int(record[1:])
        np.testing.assert_array_equal(part.arrays["square"], np.arange(number) ** 2)
        assert part.arrays["square"].dtype == np.int64
        assert part.arrays["text"].tolist() == [record, "é", ""]
        assert part.lines == ((f"squared {number}",) if number % 2 else ())
    return dict(finished)


def test_parts_come_in_the_order_of_the_records_and_are_made_once(tmp_path, seen):
    name, parts = name_of(seen), PartFolder(tmp_path / "parts")
    done = []
    for _ in range(2):
        check_parts(finish_records(name, name.open(), RECORDS, parts, Engine(num_workers=1), on_done=done.append))
    assert times_worked_on(seen) == dict.fromkeys(RECORDS, 1)
    assert [outcome.record for outcome in done] == RECORDS * 2


def test_pool_makes_every_part_in_other_processes(tmp_path, seen):
    name, parts = name_of(seen), PartFolder(tmp_path / "parts")
    outcomes = list(finish_in_pool(name, RECORDS, parts, num_processes=3))
    assert sorted(outcome.record for outcome in outcomes) == sorted(RECORDS)
    assert not any(outcome.fault for outcome in outcomes)
    workers = {path.name.split("-")[1] for path in seen.iterdir()}
    assert str(os.getpid()) not in workers
    assert len(workers) == 3
    check_parts(finish_records(name, name.open(), RECORDS, parts, Engine()))
    assert times_worked_on(seen) == dict.fromkeys(RECORDS, 1)


def test_record_whose_process_was_killed_is_tried_again(tmp_path, seen):
    name, parts = name_of(seen, kills="r3?,r7"), PartFolder(tmp_path / "parts")
    outcomes = {o.record: o.fault for o in finish_in_pool(name, RECORDS, parts, num_processes=2)}
    assert set(outcomes) == set(RECORDS)
    assert [record for record, fault in outcomes.items() if fault] == ["r7"]
    assert "r7: its process ended 3 times" in outcomes["r7"]
    assert times_worked_on(seen) == dict.fromkeys(RECORDS, 1) | {"r3": 2, "r7": ATTEMPTS}


def test_fault_of_a_record_does_not_stop_the_others(tmp_path, seen):
    name, parts = name_of(seen, faults="r2,r5"), PartFolder(tmp_path / "parts")
    outcomes = {o.record: o.fault for o in finish_in_pool(name, RECORDS, parts, num_processes=2)}
    assert {record for record, fault in outcomes.items() if fault} == {"r2", "r5"}
    assert outcomes["r2"] == "r2: nothing; expected a number."
    check_parts(finish_records(name, name.open(), RECORDS, parts, Engine(num_workers=1)), faulty=("r2", "r5"))


def test_pool_starts_only_where_it_pays(tmp_path, seen, monkeypatch):
    name, parts = name_of(seen), PartFolder(tmp_path / "parts")
    clock = iter(range(0, 10**6, 2))  # two seconds pass between two looks at it
    monkeypatch.setattr("ecgfeat.engine.local.monotonic", lambda: next(clock))
    many = [f"r{number}" for number in range(40)]
    for record, part in finish_records(name, name.open(), many, parts, Engine(num_workers=2)):
        assert len(part.arrays["square"]) == int(record[1:])
    here = [path.name for path in seen.iterdir() if path.name.split("-")[1] == str(os.getpid())]
    assert len(here) == 1
    few = [f"r{number}" for number in range(40, 44)]  # a pool would save less than it takes to start
    list(finish_records(name, name.open(), few, parts, Engine(num_workers=2)))
    here = [path.name for path in seen.iterdir() if path.name.split("-")[1] == str(os.getpid())]
    assert len(here) == 5


def test_damaged_part_is_made_again(tmp_path, seen):
    name, parts = name_of(seen), PartFolder(tmp_path / "parts")
    work = name.open()
    check_parts(finish_records(name, work, RECORDS, parts, Engine(num_workers=1)))
    path = parts.folder / part_key(work, "r9")
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        check_parts(finish_records(name, work, RECORDS, parts, Engine(num_workers=1)))
    path.write_bytes(whole[: len(whole) // 2])
    check_parts(finish_records(name, work, RECORDS, parts, Engine(num_workers=1)))
    assert path.stat().st_size == len(whole)


def test_part_depends_on_its_record_and_its_inputs(tmp_path, seen):
    work = name_of(seen).open()
    assert part_key(work, "r1") != part_key(work, "r2")
    other = Counting(str(seen))
    other.inputs = lambda record: ("other",)
    assert part_key(work, "r1") != part_key(other, "r1")


def test_part_holds_arrays_of_every_kind_a_table_has(tmp_path):
    arrays = {
        "none": np.zeros(0, dtype=object),
        "empty": np.zeros((0, 2, 4), dtype=np.int16),
        "flags": np.array([True, False]),
        "float": np.array([[np.nan, 1.5]], dtype=np.float32),
        "zero": np.asarray(np.int64(7)),
    }
    parts = PartFolder(tmp_path)
    parts.save("key", Part(arrays))
    loaded = parts.load("key").arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
    with pytest.raises(AssertionError, match="only texts"):
        parts.save("other", Part({"object": np.array([1, "a"], dtype=object)}))
    assert not parts.holds("other")


def test_shards_share_out_every_record_once():
    for of in (1, 2, 5, 12, 13):
        shared = [record for number in range(1, of + 1) for record in Shard(number, of).pick(RECORDS)]
        assert sorted(shared) == sorted(RECORDS)
    assert str(Shard.read("2/8")) == "2/8"
    for text in ("0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", " 1/4", "१/४", ""):
        with pytest.raises(UsageError, match="expected i/N"):
            Shard.read(text)


def test_shards_that_overlap_and_repeat_leave_one_part_each(tmp_path, seen):
    name, parts = name_of(seen), PartFolder(tmp_path / "parts")
    command = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from ecgfeat.engine.parts import PartFolder
        from ecgfeat.engine.shards import Shard
        from ecgfeat.engine.work import finish_record
        from tests.engine.counting import Counting
        work = Counting({str(seen)!r})
        for record in Shard.read(sys.argv[1]).pick([f"r{{n}}" for n in range(12)]):
            finish_record(work, record, PartFolder(Path({str(parts.folder)!r})))
    """)
    jobs = [
        subprocess.Popen([sys.executable, "-c", command, shard], cwd=ROOT)
        for shard in ("1/3", "1/2", "1/3", "2/3", "3/3", "2/2")
    ]
    assert [job.wait() for job in jobs] == [0] * len(jobs)
    check_parts(finish_records(name, name.open(), RECORDS, parts, Engine(num_workers=1)))
    assert len(list(parts.folder.iterdir())) == len(RECORDS)
    assert all(times_worked_on(seen).values())


def test_processes_of_a_pool_end_with_a_run_that_is_killed(tmp_path, seen):
    command = textwrap.dedent(f"""
        from pathlib import Path
        from ecgfeat.engine.local import finish_in_pool
        from ecgfeat.engine.parts import PartFolder
        from ecgfeat.engine.work import WorkName
        if __name__ == "__main__":
            name = WorkName("tests.engine.sleeping", "Sleeping", ({str(seen)!r},))
            list(finish_in_pool(name, ["a", "b"], PartFolder(Path({str(tmp_path / "parts")!r})), num_processes=2))
    """)
    (tmp_path / "command.py").write_text(command)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, str(tmp_path / "command.py")], env=environment)
    limit_s = time.monotonic() + 60
    while len(list(seen.iterdir())) < 2 and time.monotonic() < limit_s:
        time.sleep(0.05)
    workers = [int(path.name) for path in seen.iterdir()]
    assert len(workers) == 2
    run.send_signal(signal.SIGKILL)
    run.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < limit_s:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_finish_record_keeps_no_part_of_a_fault(tmp_path, seen):
    parts = PartFolder(tmp_path / "parts")
    outcome = finish_record(name_of(seen, faults="r1").open(), "r1", parts)
    assert outcome.fault
    assert not parts.folder.exists()
