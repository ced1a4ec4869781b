"""Who sees what: every permission has its words once, and the documentation says what the table says."""

from pathlib import Path

from trials.permissions import ROLE_PERMISSIONS, Permission, Role
from trials.selectors.rights import GROUPED_WORDS, WORDS, render_markdown, tasks_of

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "roles.md"


def test_every_permission_has_its_words_once() -> None:
    said = [permission for group in GROUPED_WORDS.values() for permission in group]
    assert sorted(said) == sorted(Permission)
    assert len({str(words) for words in WORDS.values()}) == len(Permission)


def test_the_documentation_is_made_from_the_table() -> None:
    assert DOCUMENTATION.read_text(encoding="utf-8") == render_markdown(), "run: manage.py print_roles > docs/roles.md"


def test_delegated_tasks_are_what_the_role_may_do() -> None:
    for role in Role:
        said = {permission for permission, words in WORDS.items() if str(words) in tasks_of(role)}
        seen = {permission for permission in Permission if permission.endswith(".view")} | {Permission.TRIAL_VIEW}
        assert said - seen == ROLE_PERMISSIONS[role] - seen
