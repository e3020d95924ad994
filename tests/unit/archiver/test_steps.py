"""Steps: done once, done again where a process died, and a step's own error is the one that is heard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from archiver.steps import StepRunner, once
from kernel.errors import EncodeError


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


def test_results_come_in_the_order_of_the_items_and_each_is_heard_of_once(runner: StepRunner) -> None:
    heard: list[int] = []
    assert runner.run(double, range(12), heard.append) == [number * 2 for number in range(12)]
    assert sorted(heard) == [number * 2 for number in range(12)]


def test_nothing_to_do_is_done_without_a_process() -> None:
    idle = StepRunner(2)
    assert idle.run(double, []) == []
    assert idle._pool is None
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


def test_a_runner_has_a_slot_for_every_processor_unless_told_otherwise() -> None:
    assert StepRunner(0).slots == os.cpu_count()
    assert StepRunner(3).slots == 3


def test_a_runner_that_was_closed_can_be_closed_again() -> None:
    runner = StepRunner(1)
    assert runner.run(double, [1]) == [2]
    runner.close()
    runner.close()
