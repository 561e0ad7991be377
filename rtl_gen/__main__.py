"""``python -m rtl_gen``: the rtl-gen command."""

from .cli import main

main()
