"""Work that forks share: order, what they see, faults, and that nothing is left of them."""

import multiprocessing
import os
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ambiser.errors import DataError
from ambiser.io.forks import FEW, map_in_forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux only")


def test_results_come_in_order_from_several_processes():
    data = {number: number**2 for number in range(20)}  # a closure, and not picklable with its function
    found = list(map_in_forks(lambda number: (os.getpid(), data[number]), range(20), processes=2))
    assert [square for _, square in found] == list(data.values())
    assert os.getpid() not in {pid for pid, _ in found}
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("items", "processes"), [(FEW - 1, 2), (20, 1)])
def test_few_items_or_one_core_need_no_fork(items, processes):
    assert set(map_in_forks(lambda _: os.getpid(), range(items), processes=processes)) == {os.getpid()}


@pytest.mark.parametrize("items", [FEW - 1, 20])
def test_matrix_products_use_one_thread_in_forks_and_here(items):
    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    np.ones((2, 2)) @ np.ones((2, 2))  # the library is loaded
    with threadpool_limits(3):
        assert threads() == {3}
        assert list(map_in_forks(lambda _: threads(), range(items), processes=2)) == items * [{1}]
        assert threads() == {3}


def test_a_fault_of_an_item_is_raised_here():
    def work(number: int) -> int:
        if number == 3:
            raise DataError("item 3 is damaged")
        return number

    with pytest.raises(DataError, match="item 3 is damaged"):
        list(map_in_forks(work, range(8), processes=2))
    assert multiprocessing.active_children() == []
