"""Steps: done once, done again where a process died, and a step's own error is the one that is heard."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archiver.dask_pool import Conditions, DaskPool, SchedulerUnreachable, WorkerUnfit, on_worker
from archiver.encode import libraries
from archiver.local_pool import LocalPool, available_cores, spared
from archiver.steps import StepRunner, Stopped, once
from kernel.errors import EncodeError, SettingsError, TimelineError


@dataclass(frozen=True, kw_only=True, slots=True)
class CountingStep:
    """A step that writes its file and counts how often it ran."""

    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What a step says of its file."""

    path: Path
    size_bytes: int


def runs(step: CountingStep) -> int:
    tally = step.target.with_suffix(".tally")
    return tally.stat().st_size if tally.exists() else 0


def make(step: CountingStep) -> Made:
    with step.target.with_suffix(".tally").open("ab") as tally:
        tally.write(b"x")
    step.target.write_bytes(b"media")
    return Made(path=step.target, size_bytes=5)


def fail(step: CountingStep) -> Made:
    make(step)
    raise EncodeError("The encoder failed.", hint="Look at the picture.")


@pytest.fixture
def step(tmp_path: Path) -> CountingStep:
    return CountingStep(target=tmp_path / "work" / "chunk-crf36-1-2.mp4")


def test_a_step_runs_once_and_its_stored_result_is_given_from_then_on(step: CountingStep) -> None:
    first = once(make, Made, step)
    assert first == Made(path=step.target, size_bytes=5)
    assert [once(make, Made, step) for _ in range(3)] == [first] * 3
    assert runs(step) == 1


def test_a_step_that_fails_leaves_no_result_and_runs_again(step: CountingStep) -> None:
    with pytest.raises(EncodeError):
        once(fail, Made, step)
    assert once(make, Made, step).size_bytes == 5
    assert runs(step) == 2


def test_a_half_written_result_is_not_believed(step: CountingStep) -> None:
    """A process may die between writing the note and giving it its name."""
    step.target.parent.mkdir(parents=True)
    step.target.with_suffix(".json.part").write_bytes(b'{"path": "x"')
    assert once(make, Made, step).path == step.target
    assert runs(step) == 1


@pytest.mark.parametrize("damaged", [b"", b'{"path": "x"', b"[]", b"\xff\x00"])
def test_a_damaged_result_is_made_again_and_does_not_stop_the_archive_for_ever(
    step: CountingStep, damaged: bytes
) -> None:
    """A power cut may leave a named note empty: it is not forced to disk."""
    once(make, Made, step)
    step.target.with_suffix(".json").write_bytes(damaged)
    assert once(make, Made, step) == Made(path=step.target, size_bytes=5)
    assert runs(step) == 2


def test_a_result_whose_file_is_gone_is_made_again(step: CountingStep) -> None:
    """The outputs are the state: a note without its file says nothing."""
    once(make, Made, step)
    step.target.unlink()
    assert once(make, Made, step).path.exists()


def test_steps_of_different_names_do_not_share_a_result(tmp_path: Path) -> None:
    steps = [CountingStep(target=tmp_path / f"chunk-crf{crf}-1-2.mp4") for crf in (36, 54)]
    assert [once(make, Made, one).path for one in steps] == [one.target for one in steps]


# --- in processes of their own


@pytest.fixture(scope="module")
def runner() -> Iterator[StepRunner]:
    made = StepRunner(2)
    yield made
    made.close()


def double(number: int) -> int:
    return number * 2


def die_once(task: tuple[Path, int]) -> int:
    """End the worker process the first time that the marked number comes by, as a lack of memory would."""
    marker, number = task
    if number == 3 and not marker.exists():
        marker.write_bytes(b"x")
        os._exit(9)
    return number * 2


def die_always(_number: int) -> int:
    os._exit(9)


def fail_at_three(task: tuple[Path, int]) -> int:
    directory, number = task
    (directory / str(number)).write_bytes(b"x")
    if number == 3:
        raise EncodeError("Step 3 failed.", hint="Try again.")
    return number


def process_id(_number: int) -> int:
    return os.getpid()


def niceness(_number: int) -> int:
    return os.nice(0)


def cores_of_this_process(_number: int) -> list[int]:
    return available_cores()


def read(path: Path) -> bytes:
    return path.read_bytes()


def test_results_come_in_the_order_of_the_items_and_each_is_heard_of_once(runner: StepRunner) -> None:
    heard: list[int] = []
    assert runner.run(double, range(12), heard.append) == [number * 2 for number in range(12)]
    assert sorted(heard) == [number * 2 for number in range(12)]


def test_nothing_to_do_is_done_without_a_process() -> None:
    idle = StepRunner(2)
    assert idle.run(double, []) == []
    assert idle._executor is None
    idle.close()


def test_steps_run_in_other_processes_that_step_aside_for_recording(runner: StepRunner) -> None:
    assert os.getpid() not in runner.run(process_id, range(4))
    assert min(runner.run(niceness, range(2))) >= min(19, os.nice(0) + 10)


def test_a_worker_that_dies_costs_no_result(runner: StepRunner, tmp_path: Path) -> None:
    heard: list[int] = []
    tasks = [(tmp_path / "marker", number) for number in range(8)]
    assert runner.run(die_once, tasks, heard.append) == [number * 2 for number in range(8)]
    assert (tmp_path / "marker").exists()
    assert sorted(heard) == [number * 2 for number in range(8)]  # none is counted twice


def test_a_step_that_kills_its_worker_every_time_is_given_up_with_a_hint() -> None:
    runner = StepRunner(1)
    with pytest.raises(EncodeError, match=r"died again and again.*memory"):
        runner.run(die_always, [1])
    assert runner.run(double, [4]) == [8]  # and the runner still works
    runner.close()


def test_a_steps_own_error_is_raised_with_its_hint_and_later_steps_are_not_begun(tmp_path: Path) -> None:
    # One slot: with more, how many steps the others end before the error arrives is the machine's affair.
    with closing(StepRunner(1)) as runner:
        with pytest.raises(EncodeError, match=r"Step 3 failed\. Try again\."):
            runner.run(fail_at_three, [(tmp_path, number) for number in range(40)])
        assert {int(path.name) for path in tmp_path.iterdir()} == {0, 1, 2, 3}
        assert runner.run(double, [5]) == [10]


def test_a_runner_has_as_many_slots_as_it_is_told() -> None:
    assert StepRunner(3).slots == 3


@pytest.mark.parametrize(
    ("available", "wanted", "used"),
    [
        ([0], 0, (0,)),
        ([0, 1], 0, (0, 1)),
        ([0, 1, 2], 0, (1, 2)),
        ([0, 1, 2, 3], 0, (1, 2, 3)),
        ([4, 5, 6, 7], 2, (6, 7)),
        ([0, 1], 9, (0, 1)),
    ],
)
def test_a_core_is_left_to_recording_where_there_are_more_than_two(
    available: list[int], wanted: int, used: tuple[int, ...]
) -> None:
    assert spared(available, wanted) == used


def test_processes_keep_to_the_cores_that_they_may_use() -> None:
    with closing(StepRunner(pool=LocalPool(workers=1, cores=1))) as runner:
        assert runner.run(cores_of_this_process, [0]) == [available_cores()[-1:]]


# --- on any executor


class InThread:
    """A pool of one thread, which is lost as often as it is told."""

    slots = 1
    lost = (BrokenProcessPool,)

    def __init__(self) -> None:
        self.opened = 0

    def open(self) -> Executor:
        self.opened += 1
        return ThreadPoolExecutor(1)

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return function

    def close(self, executor: Executor) -> None:
        executor.shutdown()


def test_a_lost_pool_is_opened_anew_as_long_as_something_is_done_in_between() -> None:
    """A long session outlives more losses than are allowed without anything being done."""
    ran: list[int] = []

    def lost_after_each(number: int) -> int:
        ran.append(number)
        if ran.count(number) == 1:
            raise BrokenProcessPool
        return number

    pool = InThread()
    with closing(StepRunner(pool=pool)) as runner:
        assert runner.run(lost_after_each, range(5)) == [0, 1, 2, 3, 4]
    assert pool.opened == 6
    assert ran == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]  # what was done is not done again


def test_what_the_one_who_is_asked_says_ends_the_work_before_the_next_step() -> None:
    ran: list[int] = []

    def refuse_the_third() -> None:
        if len(ran) == 2:
            raise TimelineError("not this one any more.")

    with closing(StepRunner(pool=InThread())) as runner:
        with runner.asking(refuse_the_third), pytest.raises(TimelineError, match="any more"):
            runner.run(ran.append, range(9))
        assert ran == [0, 1]
        runner.run(ran.append, [9])  # nobody is asked any more


def test_a_runner_that_is_told_to_stop_begins_no_further_step() -> None:
    stop = threading.Event()
    ran: list[int] = []

    def stop_at_one(number: int) -> None:
        ran.append(number)
        stop.set()

    with closing(StepRunner(stop=stop, pool=InThread())) as runner, pytest.raises(Stopped):
        runner.run(stop_at_one, range(9))
    assert ran == [0]


# --- on a worker elsewhere


def conditions(*paths: Path, **other: str) -> Conditions:
    return Conditions(paths=paths, libraries={**libraries(), **other})


def test_a_worker_that_does_not_see_the_disks_says_which_machine_and_which_path(tmp_path: Path) -> None:
    missing = tmp_path / "ring" / ".jianzheng-ring"
    with pytest.raises(
        WorkerUnfit, match=f"{socket.gethostname()}.*cannot read {missing}.*No such file.*Mount"
    ):
        on_worker(conditions(missing), double, 2)


def test_a_worker_with_another_encoder_is_refused_because_receipts_name_one(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnfit, match=r"other libraries.*libavcodec.*same version"):
        on_worker(conditions(libavcodec="1.2.3"), double, 2)


def test_a_step_that_fails_on_a_worker_names_the_machine_and_keeps_its_kind_and_hint(tmp_path: Path) -> None:
    (tmp_path / "seen").touch()
    with pytest.raises(EncodeError, match=f"Step 3 failed.*{socket.gethostname()}") as raised:
        on_worker(conditions(tmp_path / "seen"), fail_at_three, (tmp_path, 3))
    arrived = pickle.loads(pickle.dumps(raised.value))
    assert str(arrived) == str(raised.value)
    assert "Try again." in str(arrived)


def test_a_file_that_only_the_worker_cannot_use_is_named_with_the_machine(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnfit, match=f"{socket.gethostname()}.*cannot use {tmp_path / 'gone'}"):
        on_worker(conditions(), read, tmp_path / "gone")


def test_a_worker_steps_aside_for_whatever_else_its_machine_does(runner: StepRunner) -> None:
    assert runner.run(partial(on_worker, conditions(), niceness), [0]) == [19]


def test_a_scheduler_without_the_extra_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match=r"not installed.*jianzheng\[dask\]"):
        DaskPool("tcp://127.0.0.1:8786")


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archiver.dask_pool._CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    with (
        closing(StepRunner(pool=DaskPool(address))) as runner,
        pytest.raises(SchedulerUnreachable, match=f"{address}.*finished steps are kept"),
    ):
        runner.run(double, [1])


def test_a_runner_that_was_closed_can_be_closed_again() -> None:
    runner = StepRunner(1)
    assert runner.run(double, [1]) == [2]
    runner.close()
    runner.close()
