"""How a participant's code is written in addresses; registered as `participant_code` when the app is loaded."""


class ParticipantCode:
    """ASCII letters, digits, `-`, `_` and `.`, as long as the stored code may be: no NUL reaches the database."""

    regex = r"[-A-Za-z0-9_.]{1,40}"

    def to_python(self, value: str) -> str:
        """Return the code as it stands in the address."""
        return value

    def to_url(self, value: str) -> str:
        """Return the code as it stands in the address."""
        return value
