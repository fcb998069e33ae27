# The commands of the project. Each needs no other one first: it sets up what it lacks.

PYTHON ?= python3
ARGS ?=
RUN = .venv/bin/python -m billing_site.runtime

# Where the environment has Python write no bytecode, as images of containers do, each of a hundred processes would compile
# all that it imports. So it is kept, away from the sources.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/bytecode
endif

.PHONY: help demo serve test quick bench lint hooks stop requirements clean
.DELETE_ON_ERROR:

help:
	@echo "make demo           the demo company: web, worker and beat, with months of invoices"
	@echo "make serve          the same, empty"
	@echo "make test           every test (some of them: make test ARGS='tests/unit -k money')"
	@echo "make quick          some tests, on services that stay up: make quick ARGS='tests/services/test_guards.py -k touch'"
	@echo "make bench          how many invoices a second a close issues (more: make bench ARGS='1000 --profile')"
	@echo "make lint           format, style, types, layers, missing migrations"
	@echo "make hooks          have Git check each commit (style, format, layers, migrations), and each push its types, too"
	@echo "make stop           stop what make demo, make serve or make quick runs in this folder"
	@echo "make requirements   compile requirements*.in into pinned requirements*.txt"
	@echo "make clean          remove what can be made again; the data folder stays"
	@echo "Environment: PORT (8000), BILLING_DATA_DIR (.data), DATABASE_URL, REDIS_URL, BILLING_API_KEY, BILLING_TEST_CLOCK=1"

demo: .venv/for-running
	@$(RUN) demo

serve: .venv/for-running
	@$(RUN) serve

# The data folder is a new one, gone afterwards, so a running demo and its data stay as they are.
test: .venv/for-development
	@$(RUN) run --throwaway -- .venv/bin/python -m pytest --numprocesses auto --maxprocesses 8 $(ARGS)

# PostgreSQL, Redis and a migrated database are kept for the next time, beside the data folder (tests/quick.py).
quick: .venv/for-development
	@.venv/bin/python -m tests.quick $(ARGS)

# On this folder's own services, or those of a demo that runs: real disk writes, and a database that is dropped again.
bench: .venv/for-running
	@$(RUN) run -- .venv/bin/python -m benchmarks.close $(ARGS)

lint: .venv/for-development
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy .
	DJANGO_SETTINGS_MODULE=billing_site.settings.test .venv/bin/python -W error::DeprecationWarning \
		-W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

hooks: .venv/for-development
	@.venv/bin/pre-commit install

stop:
	@if [ -x .venv/bin/python ]; then $(RUN) stop && .venv/bin/python -m tests.quick --stop; \
		else echo "Nothing runs: nothing is set up yet."; fi

requirements: .venv/for-development
	@for name in requirements requirements-dev; do \
		UV_CUSTOM_COMPILE_COMMAND="make requirements" .venv/bin/uv --quiet pip compile --universal --python-version 3.11 \
			--no-annotate --no-emit-index-url --no-emit-find-links --output-file $$name.txt $$name.in >/dev/null || exit 1; \
	done

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is newer than the pins it stands for. For development nothing is compiled ahead: Python compiles what it
# imports, and of the large wheels that only tests need, that is little.
.venv/for-development: requirements-dev.txt requirements.txt .venv/bin/pip
	@echo "Installing requirements-dev.txt into .venv"
	@.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile -r requirements-dev.txt
	@touch .venv/for-running $@

.venv/for-running: requirements.txt .venv/bin/pip
	@echo "Installing requirements.txt into .venv"
	@.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# pip comes last into a new environment, so an unfinished one is made again.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Countinghouse needs Python 3.11 or later;" \
		"$(PYTHON) is $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "No environment could be made: on Debian and Ubuntu," \
		"apt install python3-venv."; exit 1; }
