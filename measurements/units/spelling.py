"""UCUM codes as people read them."""

_SPELLINGS = {"{score}": "points", "{titer}": "titre", "{index}": "index", "{ratio}": "ratio", "%": "%", "1": ""}
_POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def readable_unit(code: str) -> str:
    """The unit as a page shows it: `{cells}/uL` is cells/µL, `10*9/L` is 10⁹/L."""
    if code in _SPELLINGS:
        return _SPELLINGS[code]
    numerator, *denominators = code.split("/")
    return "/".join([_component(numerator), *map(_component, denominators)])


def _component(code: str) -> str:
    if code.startswith("10*"):
        power, dot, rest = code[3:].partition(".")
        return f"10{power.translate(_POWERS)}" + (f" {rest}" if dot else "")
    plain = code.replace("{", "").replace("}", "").replace("[", "").replace("]", "").replace("'", "")
    return "µ" + plain[1:] if plain in {"ug", "uL", "umol", "uIU", "uU", "um"} else plain
