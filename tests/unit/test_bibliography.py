"""A key of the bibliography is told as a reference that a reader can find."""

from __future__ import annotations

import re
from importlib.resources import files

from cellula.report.references import bibliography, cited, read_bibliography

TEXT = """
@article{one2001,
  author = {Müller, Ä. and {van} Dyk, Jo and Roe, X.},
  title = {On {RNA} and more},
  journal = {J. Cells},
  year = {2001}, volume = {7}, pages = {1--2},
  doi = {10.1/x}
}
@misc{two2002,
  author = {Solo, A.}, title = {Alone}, year = {2002}, eprint = {1.2}, archiveprefix = {arXiv},
  doi = {10.1/y}
}
"""


def test_entries_are_read_in_words() -> None:
    one, two = read_bibliography(TEXT).values()
    assert one.short == "Müller et al. 2001"
    assert one.full == "Müller et al. 2001. On RNA and more. J. Cells 7. doi:10.1/x"
    assert two.full == "Solo 2002. Alone. arXiv 1.2. doi:10.1/y"


def test_every_shipped_entry_is_read_whole() -> None:
    text = files("cellula").joinpath("references.bib").read_text("utf-8")
    keys = re.findall(r"^@\w+\{(\S+),$", text, re.MULTILINE)
    assert list(bibliography()) == keys
    for entry in bibliography().values():
        assert all((entry.authors, entry.year, entry.title, entry.place, entry.doi)), entry.key
        assert not set("{}\\") & set(entry.full), entry.key


def test_a_key_becomes_a_reference_and_other_text_stays() -> None:
    assert cited("iorio2016").startswith("Iorio et al. 2016. A Landscape of")
    assert cited("Smith, in a letter") == "Smith, in a letter"
