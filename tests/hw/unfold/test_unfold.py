"""The unfold engine against windows cut out by numpy, with random stalls at both ends."""

import dataclasses
import random
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.accelerator_params import AcceleratorParams
from rtl_gen.hw.unfold.image_rows import ImageParams
from rtl_gen.hw.unfold.unfold import Unfold
from rtl_gen.mapping.input_engines import InputEngines
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.packed_image import packed_image
from rtl_gen.mapping.placing import Placing
from rtl_gen.mapping.unfold_engine import UnfoldEngine
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import Buffers
from rtl_gen.spec.layer import Quantization, conv2d
from rtl_gen.spec.parse import load_design

DATAFLOW = Path(__file__).resolve().parents[3] / "dataflows" / "weight_stationary.yaml"


def machine_with(image: int, block: int = 16) -> Machine:
    design = load_design(DATAFLOW)
    return Machine(
        dataclasses.replace(
            design,
            rows=4,
            columns=4,
            block=block,
            bus_bits=64,
            post_lanes=4,
            buffers=Buffers(input=8192, weights=4096, output=4096, parameters=1024, image=image),
        )
    )


def draw(rng, machine):
    """A mapped layer whose rows fit, and the engine's fields for it."""
    while True:
        try:
            layer = conv2d(
                name="drawn",
                k=4,
                c=rng.choice((1, 2, 3, 5, rng.randint(1, 40))),
                h=rng.randint(1, 9),
                w=rng.randint(1, 9),
                r=rng.randint(1, 5),
                s=rng.randint(1, 5),
                stride=(rng.randint(1, 4), rng.randint(1, 4)),
                dilation=(rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3))),
                pad=tuple(rng.randint(0, 3) for _ in range(4)),
                quantization=Quantization(input_zero=rng.randint(-128, 127)),
            )
        except ValueError:
            continue
        image = packed_image(machine, layer)
        rows = rng.randint(1, layer.sizes["p"])
        placing = Placing(image=image)
        try:
            mapping = Mapping(machine, image.folded, {"p": rows}, ("p",), placing)
            engine = UnfoldEngine(InputEngines(mapping))
            engine.source.check()
            engine.check()
            return image, engine, engine.unfold()
        except MappingError:
            continue


def words_of(data: bytes, block: int) -> list[int]:
    return [int.from_bytes(data[n : n + block], "little") for n in range(0, len(data), block)]


def expected_words(image, engine, array) -> list[list[int]]:
    """The bytes of each word, in the order of the buffer; rows and columns beyond the output are
    not looked at, nor is what fills up a pixel's last word."""
    windows, block = image.unfold(array)[0, 0], image.machine.block
    found = []
    for row in range(engine.outer_rows):
        for column in range(engine.source.pieces(image.columns)):
            inside = row < windows.shape[0] and column < windows.shape[1]
            pixel = list(windows[row, column].view(np.uint8)) if inside else []
            for word in range(engine.source.window_words):
                found.append([int(x) for x in pixel[word * block : (word + 1) * block]])
    return found


def unfold(machine, jobs, *, stalls: float, rng, limit=60_000) -> int:
    """Run descriptors one behind the other, compare every word; returns the cycles."""
    params = AcceleratorParams(machine).unfold
    dut, block = Unfold(params), machine.block
    words = [word for image, _, _, array in jobs for word in words_of(image.pack(array), block)]
    wanted = [w for image, engine, _, array in jobs for w in expected_words(image, engine, array)]
    left, waiting, got, cycles = deque(words), deque(job[2] for job in jobs), [], 0

    async def bench(ctx):
        nonlocal cycles
        offered = False  # a word stands until it is taken
        for cycle in range(limit):
            start = bool(waiting) and not ctx.get(dut.busy)
            if start:
                ctx.set(dut.config, waiting.popleft())
            ctx.set(dut.start, start)
            offered = bool(left) and (offered or rng.random() >= stalls)
            ctx.set(dut.words.valid, offered)
            ctx.set(dut.words.payload, left[0] if left else 0)
            ctx.set(dut.write.ready, takes := rng.random() >= stalls)
            made = ctx.get(dut.write.valid)
            assert ctx.get(dut.moved) == ctx.get(dut.commit.valid) == (made and takes)
            assert ctx.get(dut.waits_room) == (made and not takes)
            if made and takes:
                got.append(ctx.get(dut.write.payload.data))
                cycles = cycle
                assert ctx.get(dut.busy), "until the last word is written"
            if offered and ctx.get(dut.words.ready):
                left.popleft()
                offered = False
            if len(got) > len(wanted) or not (waiting or start or ctx.get(dut.busy)):
                break
            await ctx.tick()
        await ctx.tick().repeat(10)
        assert not ctx.get(dut.write.valid) and not ctx.get(dut.busy)
        assert ctx.get(dut.space) == params.image.words, "all rows are given back"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert not left and len(got) == len(wanted)
    for number, (word, bytes_) in enumerate(zip(got, wanted)):
        made = list(word.to_bytes(block, "little"))[: len(bytes_)]
        assert made == bytes_, f"word {number} of {len(wanted)}"
    return cycles


@pytest.mark.parametrize("stalls", [0, 0.4])
@pytest.mark.parametrize(("image", "block"), [(512, 16), (1024, 16), (400, 8), (4096, 32)])
def test_every_word_of_random_windows(image, block, stalls):
    seed = f"{image} {block} {stalls}"
    rng = random.Random(seed)
    machine, jobs = machine_with(image, block), []
    for n in range(6):
        drawn = draw(rng, machine)
        array = np.random.default_rng(n).integers(-128, 128, drawn[0].tensor.shape)
        jobs.append((*drawn, array.astype(np.int8)))
    unfold(machine, jobs, stalls=stalls, rng=rng)


@pytest.mark.parametrize(
    ("shape", "cycles"),
    [
        # 27 bytes in 2 words: slices of two rows a cycle, so that no word waits.
        ({"c": 3, "r": 3, "s": 3, "pad": (1, 1, 1, 1)}, 2),
        # 16 bytes of each of 2 rows a cycle.
        ({"c": 4, "r": 4, "s": 4}, 4),
        # 4 bytes of a row at a time: 5 pairs of rows for 3 words.
        ({"c": 1, "r": 10, "s": 4, "pad": (4, 1, 5, 1)}, 5),
        # 21 bytes of a row: 4 pairs of rows, 2 pieces each, for 10 words; of 32 bytes, three times,
        # two words are written, and two at the end.
        ({"c": 3, "r": 7, "s": 7, "stride": (2, 2)}, 12),
    ],
)
def test_a_word_a_cycle_where_slices_fill_it(shape, cycles):
    machine = machine_with(2048)
    layer = conv2d(name="rate", k=4, h=16, w=16, **shape)
    image = packed_image(machine, layer)
    placing = Placing(image=image)
    engine = UnfoldEngine(InputEngines(Mapping(machine, image.folded, {"p": 1}, ("p",), placing)))
    array = np.random.default_rng(1).integers(-128, 128, image.tensor.shape).astype(np.int8)
    rng = random.Random(1)
    spent = unfold(machine, [(image, engine, engine.unfold(), array)], stalls=0, rng=rng)
    pixels = layer.sizes["p"] * layer.sizes["q"]
    assert engine.cycles == pixels * cycles
    rows = 16 * image.row_bytes // 16  # the first words wait for the image
    assert pixels * cycles <= spent <= pixels * cycles + rows + 30


def test_words_and_blocks_are_checked():
    for words in (0, 1, 7):
        with pytest.raises(ValueError, match="image words must be even and at least 2"):
            ImageParams(16, words)


def test_it_becomes_verilog():
    text = emit(Unfold, AcceleratorParams(machine_with(1024)).unfold)
    assert "module unfold_input" in text and "module image_rows_64x128" in text
