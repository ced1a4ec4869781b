"""Every operation of the API says that it may answer 429, as every one is counted."""

from drf_spectacular.generators import SchemaGenerator

from trials.api.described import VERBS


def test_every_operation_describes_its_429() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    operations = [each for path in paths.values() for verb, each in path.items() if verb in VERBS]
    assert len(operations) > 20
    assert [
        each["operationId"] for each in operations if "Retry-After" not in each["responses"]["429"]["headers"]
    ] == []
