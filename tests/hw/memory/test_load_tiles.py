"""Load engines behind which a reader gives back nothing before it has a whole tile."""

import pytest
from load_bench import run
from memory_bench import load_record

from rtl_gen.hw.memory.load import LoadParams


@pytest.mark.parametrize("stalls", [0, 0.5])
@pytest.mark.parametrize("capacity", [16, 17, 19, 23])
def test_borders_of_two_tiles_are_joined_only_as_far_as_there_is_room(capacity, stalls):
    """Four rows of four words a tile: the first row and the last words of all lie outside."""
    params = LoadParams(record=load_record(), block=16, bus_bits=128, capacity=capacity)
    tiles = {
        "base": 0x4_0000,
        "bound0": 3,
        "bound1": 3,
        "bound2": 4,
        "offset1": 64,
        "offset2": 512,
        "x_limit": 3,
        "y0_base": -1,
        "y01": 1,
        "y0_limit": 100,
    }
    run([params], [[tiles, tiles]], stalls=stalls, shrink=16, cycles=4000)
