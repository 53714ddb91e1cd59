"""The shortest failing list, the schedule's sameness, and the history that a crash tore."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.history import History, Line, read
from faults.load import requests
from faults.nemesis import FAULTS, schedule
from faults.shrink import shortest


@given(needed=st.sets(st.integers(0, 19), min_size=1, max_size=4))
def test_what_is_left_is_what_is_needed(needed):
    assert shortest(list(range(20)), lambda some: needed <= set(some)) == sorted(needed)


def test_a_single_item_stays():
    assert shortest([3], lambda some: True) == [3]


def test_a_schedule_is_the_same_for_the_same_seed_and_keeps_to_its_time():
    blows = schedule(7, 600, 4)
    assert blows == schedule(7, 600, 4)
    assert blows != schedule(8, 600, 4)
    assert 20 < len(blows) < 70
    assert [blow.at for blow in blows] == sorted(blow.at for blow in blows)
    assert blows[-1].at < 600


def test_chosen_faults_alone_are_scheduled():
    assert {blow.fault for blow in schedule(1, 600, 5, ["kill", "freeze"])} == {"kill", "freeze"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_fault_says_which_row_of_the_matrix_it_is(fault):
    assert (fault.__doc__ or "").startswith("Row")


def test_requests_are_the_same_for_the_same_seed():
    first, again = requests(3), requests(3)
    assert [next(first) for _ in range(12)] == [next(again) for _ in range(12)]


def test_a_torn_line_is_left_out(tmp_path):
    path = tmp_path / "history.jsonl"
    history = History(path)
    lines = [Line(0, "a", 1.0, "asked"), Line(0, "a", 2.0, "ok", 201, 0.5, "case", "code")]
    for line in lines:
        history.note(line)
    history.close()
    with path.open("ab") as file:
        file.write(b'{"n":1,"ref":"b","at":3.0,"out')
    assert list(read(path)) == lines
