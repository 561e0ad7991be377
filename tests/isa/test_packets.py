"""Programs in memory and their checksums."""

import random

from rtl_gen.isa.descriptors import ENGINES, VERSION, header
from rtl_gen.isa.packets import PACKET_OVERHEAD, checksum, packet, program_image


def test_the_checksum_is_the_crc_of_iso_3309():
    """Its check value is that of the digits 1 to 9; of whole words here: 1 to 8."""
    assert checksum([0x3433_3231, 0x3837_3635]) == 0x9AE0_DAAF
    assert checksum([]) == 0


def test_a_packet_is_a_descriptor_with_its_checksum_behind_the_header():
    words = [header("store", 3), 1, 0, 0xFFFF_FFFF]
    found = packet(words)
    assert len(found) == 3 + PACKET_OVERHEAD
    assert [found[0], *found[2:]] == words and found[1] == checksum(words)


def test_an_image_is_packets_without_gaps_the_lowest_byte_first():
    first, second = [header("store", 1), 0x0403_0201], [header("compute", 0)]
    image = program_image([first, second])
    assert len(image) == 4 * (3 + 2)
    assert image[8:12] == bytes([1, 2, 3, 4])
    assert image[:4] == bytes([1, 0, ENGINES.index("store"), VERSION])
    assert image[12:] == program_image([second])


def test_what_sums_pass_is_found():
    """Up to three wrong bits, words that changed places, two that were lost, one added twice."""
    rng = random.Random(5)
    words = [header("compute", 60), *(rng.getrandbits(32) for _ in range(60))]
    right = checksum(words)
    for _ in range(2000):
        wrong = list(words)
        for place in rng.sample(range(32 * len(words)), rng.randint(1, 3)):
            wrong[place // 32] ^= 1 << place % 32
        assert checksum(wrong) != right
    for n in range(1, 60):
        assert checksum([*words[:n], words[n + 1], words[n], *words[n + 2 :]]) != right
        assert checksum([*words[:n], 0, 0, *words[n + 2 :]]) != right
        less, more = words[n] - 1, (words[n - 1] + 1) % (1 << 32)
        assert checksum([*words[: n - 1], more, less % (1 << 32), *words[n + 1 :]]) != right
