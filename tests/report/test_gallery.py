"""The gallery of dataflows is what its command writes."""

from pathlib import Path

from rtl_gen.report.draw.gallery import gallery

PROJECT = Path(__file__).parents[2]


def test_the_gallery_is_current():
    """If not: `make gallery`, and look at the pictures that changed."""
    files = gallery(PROJECT)
    stale = [
        path.as_posix()
        for path, text in files.items()
        if not (PROJECT / path).exists() or (PROJECT / path).read_text() != text
    ]
    assert stale == []
    pictures = {path.relative_to(PROJECT) for path in (PROJECT / "docs/dataflows").glob("*")}
    assert pictures == {path for path in files if path.suffix == ".svg"}


def test_every_file_says_what_it_is_and_where_it_is_from():
    page = (PROJECT / "docs" / "dataflows.md").read_text()
    for folder in ("dataflows", "examples/arrays"):
        for file in (PROJECT / folder).glob("*.yaml"):
            comment = file.read_text().split("\n\n")[0].partition("\nname:")[0]
            assert comment.startswith("# ") and len(comment) > 150, file
            assert f"### {file.stem}\n" in page
