"""Images as text."""

import numpy as np

from rtl_gen.report.pictures import SHADES, colored, plain_rows, side_by_side


def test_darker_is_larger():
    image = np.array([[-128, 127], [0, -128]], np.int8)
    assert plain_rows(image) == ["  @@", SHADES[len(SHADES) // 2] * 2 + "  "]


def test_captions_stand_below_their_images():
    image = np.full((2, 4), 127, np.int8)
    text = side_by_side([image, image], ["read 1", "read 7"])
    assert text.splitlines() == ["@@@@@@@@   @@@@@@@@"] * 2 + ["read 1     read 7"]


def test_two_pixels_a_character_in_color():
    image = np.array([[-128, 127]] * 2, np.int8)
    text = colored([image], ["ok"], [False])
    assert text.plain.splitlines()[0].startswith("▀▀")
    assert [str(span.style) for span in text.spans] == [
        "rgb(0,0,0) on rgb(0,0,0)",
        "rgb(255,255,255) on rgb(255,255,255)",
        "bold red",
    ]
