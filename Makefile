# The two commands to know: `make run` and `make test`. Everything else they need, they make.
.PHONY: run test check bench prove requirements clean

python := .venv/bin/python
bin := .venv/bin
# Enough for tools that only read the settings; nothing connects to this database.
settings := STUDYPLATFORM_LOCAL=1 DJANGO_SECRET_KEY=only-for-checks DATABASE_URL=postgresql://nobody@/none?host=/nonexistent \
	STUDYPLATFORM_ALLOCATION_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

# In local mode the platform listens on this machine only and does without TLS.
run:
	@scripts/bootstrap run embedded
	@STUDYPLATFORM_LOCAL=1 exec $(python) -m studyplatform.up

# PYTEST="tests/trials -k enrol" narrows it down.
test:
	@scripts/bootstrap run embedded dev
	@$(python) scripts/run_tests.py $(or $(PYTEST),-n auto)

check:
	@scripts/bootstrap run embedded dev
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(settings) $(bin)/mypy .
	$(bin)/lint-imports
	$(bin)/djhtml --check templates
	$(bin)/djlint --lint --quiet templates
	$(settings) $(python) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(python) scripts/check_tracked_files.py

# The ratios of performance against references in the same run.
bench:
	@scripts/bootstrap run embedded dev
	$(python) -m benchmarks --quick

# The promises of integrity, attacked one by one.
prove:
	@scripts/bootstrap run embedded dev
	$(python) -m benchmarks.prove


compile := $(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make requirements"
# One version of each package everywhere: the later files are held to the earlier. UPGRADE=--upgrade moves the pins.
requirements:
	@scripts/bootstrap maintain
	$(compile) $(UPGRADE) requirements/run.in -o requirements/run.txt
	$(compile) $(UPGRADE) -c requirements/run.txt requirements/embedded.in -o requirements/embedded.txt
	$(compile) $(UPGRADE) -c requirements/run.txt -c requirements/embedded.txt requirements/dev.in -o requirements/dev.txt
	$(compile) $(UPGRADE) -c requirements/run.txt requirements/maintain.in -o requirements/maintain.txt

# The data stays; delete .data by hand to begin anew.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
