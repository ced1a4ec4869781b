"""docker-compose.yml: the same processes as `make run`, with no secret and no owner's right where it is not needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from studyplatform import up
from studyplatform.embedded.postgres import APPLICATION_ROLE, DATABASE, OWNER_ROLE

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
PROCESSES = ["web", "dispatcher", "worker"]


def test_the_services_are_those_of_make_run_and_a_migration() -> None:
    assert sorted(SERVICES) == sorted([*PROCESSES, "migrate", "postgres", "redis"])


@pytest.mark.parametrize("service", up.processes({}, Path("data"), 8000), ids=lambda service: service.name)
def test_each_process_runs_the_same_program_as_under_make_run(service: Any) -> None:
    words = SERVICES[service.name]["command"].split()
    program = [word for word in service.argv if word != "-m"]
    if service.name == "web":  # a container's address is its own; what is published is tested below
        words.remove(words[words.index("--host") + 1])
        program.remove(up.HOST)
    assert [word for word in words if word != "python"] == [word for word in program if word != service.argv[0]]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_waits_for_migrations_and_broker_and_comes_back(name: str) -> None:
    waits = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
    assert waits == {"migrate": "service_completed_successfully", "redis": "service_healthy"}
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", ["web", "worker", "postgres", "redis"])
def test_a_service_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_serves_has_the_application_role_and_read_only_code(name: str) -> None:
    assert SERVICES[name]["environment"]["DATABASE_URL"].startswith(f"postgresql://{APPLICATION_ROLE}:")
    assert OWNER_ROLE not in str(SERVICES[name])
    assert SERVICES[name]["read_only"] is True


def test_migrations_run_as_the_owner() -> None:
    assert SERVICES["migrate"]["environment"]["DATABASE_URL"].startswith(f"postgresql://{OWNER_ROLE}:")


def test_every_secret_comes_from_outside_and_is_required_where_nothing_works_without_it() -> None:
    named = set(re.findall(r"\$\{(\w+)", TEXT))
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    # Without a key for identifiers none are kept, without a mail server messages stay in the outbox.
    assert named - required == {"PORT", "STUDYPLATFORM_IDENTIFIER_KEY", "EMAIL_URL", "STUDYPLATFORM_MAIL_FROM"}
    secrets = re.findall(r"^\s+\w*(?:PASSWORD|KEY): (.*)$", TEXT, re.MULTILINE)
    assert secrets
    assert all(value.startswith("${") for value in secrets)


def test_only_the_web_server_is_published_and_only_to_the_proxy_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}


def test_the_files_that_are_mounted_and_built_exist() -> None:
    assert (CHECKOUT / SERVICES["web"]["build"] / "Dockerfile").is_file()
    mounted = [volume.split(":")[0] for volume in SERVICES["postgres"]["volumes"] if volume.startswith("./")]
    assert mounted
    assert all((CHECKOUT / path).is_file() for path in mounted)


def test_the_first_start_makes_the_roles_and_the_database_of_the_embedded_default() -> None:
    script = (CHECKOUT / "scripts" / "create_roles.sh").read_text()
    for made in (
        f"CREATE ROLE {OWNER_ROLE} ",
        f"CREATE ROLE {APPLICATION_ROLE} ",
        f"DATABASE {DATABASE} OWNER {OWNER_ROLE}",
    ):
        assert made in script
