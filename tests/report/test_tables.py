"""What a user named is shown as it is written, also where terminals take markup."""

import io

from rich.console import Console

from rtl_gen.api import LayerFit
from rtl_gen.report.tables import fit_table, name_table, progress
from rtl_gen.spec.layer import matmul

NAME = "[/d] :x: [red]layer"


def shown(act, **options) -> str:
    """What ``act`` prints on a console."""
    file = io.StringIO()
    act(Console(file=file, width=200, emoji=False, **options))
    return file.getvalue()


def test_a_progress_bar_shows_the_name_of_its_layer():
    def act(console):
        with progress(console) as bar:
            bar.add_task(NAME, total=1)
            bar.refresh()

    assert NAME in shown(act, force_terminal=True, color_system=None)


def test_tables_show_names_and_reasons():
    layer = matmul(name=NAME, m=1, k=2, n=3)
    assert NAME in shown(lambda console: console.print(name_table([layer])))
    fits = [LayerFit(layer, None, "no [b]room[/b]")]
    text = shown(lambda console: console.print(fit_table(fits)))
    assert NAME in text and "no [b]room[/b]" in text
