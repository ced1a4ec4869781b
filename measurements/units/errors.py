"""Why a unit cannot be used."""


class UnitUnknown(ValueError):  # noqa: N818 - it names what is wrong, as people say it
    """The text is no unit that we know; `did_you_mean` is the nearest one that we do, or None."""

    def __init__(self, text: str, did_you_mean: str | None = None) -> None:
        super().__init__(f"{text!r} is not a unit in the table")
        self.text = text
        self.did_you_mean = did_you_mean


class UnitNotConvertible(ValueError):  # noqa: N818 - as above
    """Both units are known and there is no factor between them."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"{source} cannot be converted to {target}")
        self.source = source
        self.target = target
