# make setup, make run, make test: each does what it needs first, and nothing twice.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
PROTOS := $(wildcard proto/gig/v1/*.proto)

.PHONY: run test test-roads observe dashboards setup check audit bench lock clean

run: setup
	$(VENV)/bin/gig demo

# Prometheus beside the suite that runs on this machine: make observe PROMETHEUS=path/to/prometheus
observe: setup
	$(VENV)/bin/gig observe $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

# Grafana's dashboards, from services/observe/boards.py.
dashboards: setup
	$(VENV)/bin/python -m services.observe.grafana

test: setup
	$(VENV)/bin/pytest

setup: $(READY)

$(READY): pyproject.toml requirements.lock requirements-data.lock hatch_build.py Makefile $(PROTOS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-data.lock \
		|| echo "The data of Manhattan could not be installed; a generated city stands in."
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

# The tests of road networks, with the routing engine: make test-roads PYTHON=python3.12 (or newer).
test-roads:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12) and "The engine needs Python 3.12: make test-roads PYTHON=python3.12")'
	test -x .venv-roads/bin/python || $(PYTHON) -m venv .venv-roads
	.venv-roads/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock -r requirements-roads.lock
	.venv-roads/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	.venv-roads/bin/pytest -n 0 tests/geo/test_roads.py

# What CI checks besides the tests.
check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/buf lint gen/gig.binpb --path gig

# Known vulnerabilities of what is locked, where an index of them can be reached.
audit:
	test -x .venv-audit/bin/python || $(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-audit.lock
	.venv-audit/bin/pip-audit --strict --progress-spinner off --require-hashes --disable-pip -r requirements.lock -r requirements-roads.lock

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra research --group dev pyproject.toml -o requirements.lock
	printf 'osrm-bindings>=26.7\n' | uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --no-header --no-deps - -o requirements-roads.lock
	printf 'pip-audit>=2.9\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header - -o requirements-audit.lock

clean:
	rm -rf $(VENV) .venv-roads .venv-audit gen build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
