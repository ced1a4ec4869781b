"""`manage.py recompute [slug] [--check]`: bring estimates up to date, or compare the stored with a new computation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trials.access import Actor
from trials.models import Trial


class Command(BaseCommand):
    help = "Recompute stale estimates of one trial or of all; with --check compare what is stored with what comes out."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the trial's short name and --check."""
        parser.add_argument("slug", nargs="?", help="short name of the trial; all trials with data without it")
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a number differs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say one line per trial; CommandError for an unknown trial or a difference."""
        trials = Trial.objects.filter(data_version__gt=0, sandbox_of=None)
        if options["slug"]:
            trials = Trial.objects.filter(slug=options["slug"])
            if not trials:
                raise CommandError(f"There is no trial “{options['slug']}”.")
        say = _check if options["check"] else _recompute
        sentences = [say(trial, Actor(process="manage.py recompute")) for trial in trials]
        self.stdout.write("\n".join(sentence for sentence, _ in sentences))
        if not all(is_sound for _, is_sound in sentences):
            raise CommandError("Not everything is as it should be; see above.")


def _recompute(trial: Trial, by: Actor) -> tuple[str, bool]:
    from analytics.services.recompute import recompute_estimates

    run = recompute_estimates(trial=trial, by=by)
    if run is None:
        return f"{trial.slug}: another process is computing it now", True
    outcome = f"failed: {run.failure}" if run.failure else f"computed from {run.result_count} results"
    return f"{trial.slug}: data version {run.data_version}, {outcome}", not run.failure


def _check(trial: Trial, by: Actor) -> tuple[str, bool]:
    from analytics.services.recheck import differences_from_scratch

    differences = differences_from_scratch(trial=trial, by=by)
    return "\n".join([f"{trial.slug}: {len(differences)} differences", *differences]), not differences
