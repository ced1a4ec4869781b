"""A file with results by its name and its bytes: text or workbook, told by the content, and the ending must agree."""

from collections.abc import Mapping

from measurements.validation.decode import refuse_payload
from measurements.validation.decode_csv import read_text_file
from measurements.validation.decode_xlsx import is_old_workbook, is_workbook, read_workbook
from measurements.validation.tables import Table
from measurements.validation.texts import shown

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
WORKBOOK_ENDING = ".xlsx"
_LONGEST_NAME = 100
_KEPT_IN_NAMES = frozenset(" ._-()")


def harmless_name(name: str) -> str:
    """A file's name without path and without anything but letters, digits and `._-()`, at most 100 characters."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter if letter.isalnum() or letter in _KEPT_IN_NAMES else "_" for letter in bare)
    stem, dot, ending = kept.strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    return f"{stem[: _LONGEST_NAME - len(dot + ending[:10])] or 'results'}{dot}{ending[:10]}"


def read_file(
    name: str, content: bytes, *, sheet: str = "", separator: str = "", biomarkers: Mapping[str, str] = {}
) -> Table:
    """The table of a file; `biomarkers` are codes by squeezed name, `separator` what a text was cut at before.

    Raises `PayloadRefused` (413 or 422) with the reason why there is none.
    """
    ending = name[name.rfind(".") :].casefold() if "." in name else ""
    if is_old_workbook(content):
        refuse_payload(
            422,
            "workbook_refused",
            "Excel 97 workbooks (.xls) and workbooks with a password are not read. Save it as .xlsx without one."
            " Nothing was saved.",
        )
    if is_workbook(content):
        table = read_workbook(content, sheet)
        _require_ending(name, ending, (WORKBOOK_ENDING,), "an Excel workbook")
        return table
    _require_ending(name, ending, TEXT_ENDINGS, "text")
    return read_text_file(content, biomarkers, separator)


def _require_ending(name: str, ending: str, fitting: tuple[str, ...], what: str) -> None:
    if ending not in fitting:
        sentence = f'"{shown(name)}" holds {what}. Save it with the ending {fitting[0]}. Nothing was saved.'
        refuse_payload(422, "file_ending", sentence)
