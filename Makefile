# Needs Python 3.11 or later with pip and venv, and make. Everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
ROOT = $(shell test "$$(id -u)" = 0 || echo sudo)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint bench crash faults fuzz lives mutants soak outages requirements docs clean lock wheel-check browser

demo: .venv/.run          ## watch a whole hourly run against the built-in sandbox
	$(BIN)/holdfast demo

test: lint                ## lint, types and every test, with a coverage floor and no error branch left out
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --dist worksteal -p tests.record -q
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/python -m tests.gate

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser:                  ## install what the tests of pages need: Chromium and its driver, on Debian and Ubuntu
	$(ROOT) apt-get update -qq
	$(ROOT) apt-get install -qq --yes --no-install-recommends chromium chromium-driver

bench: .venv/.dev         ## speed and API calls, printed as ratios
	$(BIN)/python -m benchmarks

sbom: .venv/.dev          ## list everything that is installed to run, with versions, hashes and licences, in build/sbom.json
	$(BIN)/python -m docs.sbom build/sbom.json

faults: .venv/.dev        ## every disturbance at every request, and 10,000 edits by people; the last line says "lost 0 doubled 0 unfinished 0"
	$(BIN)/python -m tests.faults

lives: .venv/.dev         ## 500 lives of an agent to which anything may happen, drawn anew each time
	HOLDFAST_FUZZ_EXAMPLES=$${HOLDFAST_FUZZ_EXAMPLES:-500} $(BIN)/python -m pytest tests/life -q -k many

fuzz: .venv/.dev          ## send a million hostile texts through everything that shows or sends text; the last line says "escapes 0"
	$(BIN)/python -m tests.security

crash: .venv/.dev         ## kill the agent at every step of its work, and again while it recovers: 2,000 points, 10,000 pairs
	$(BIN)/python -m tests.crash

mutants: .venv/.dev       ## make the agent wrong in twelve ways, each of which the crash points must show
	$(BIN)/python -m tests.mutants

soak: .venv/.dev          ## 90 simulated days of hourly runs beside both CRMs, with everything going wrong; under 30 minutes
	$(BIN)/python -m tests.soak

outages: .venv/.dev       ## sources that lie for 1 to 192 hours, beside both CRMs, lived through by `holdfast sync`
	$(BIN)/python -m benchmarks outages

requirements: .venv/.dev  ## which requirements the tests show, and which in scope they do not; the last line counts
	@$(BIN)/python -m tests.requirements

docs: .venv/.docs         ## write the reference pages again and build the site in build/site; a warning or a dead link ends it
	$(BIN)/python -m docs.generate
	$(BIN)/python -m tests.conformance.table
	rm -rf build/site build/site.doctrees
	$(BIN)/python -m docs.site build/site

wheel-check: .venv/.dev   ## build the wheel and run it outside the checkout, with the pinned requirements alone
	rm -rf build/wheel-check && mkdir -p build/wheel-check/elsewhere
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation -w build/wheel-check .
	$(PYTHON) -m venv build/wheel-check/venv
	build/wheel-check/venv/bin/pip install --quiet --require-hashes -r requirements.txt
	build/wheel-check/venv/bin/pip install --quiet --no-deps build/wheel-check/*.whl
	cd build/wheel-check/elsewhere && ../venv/bin/holdfast --help && ../venv/bin/holdfast demo --accounts 30 --json

lock: .venv/.dev          ## pin the newest allowed versions again
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile $(LOCK) -o requirements.txt requirements.in pyproject.toml
	$(BIN)/pip-compile $(LOCK) -o requirements-dev.txt requirements-dev.in requirements.in pyproject.toml
	$(BIN)/pip-compile $(LOCK) -o requirements-docs.txt requirements-docs.in

LOCK := --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.venv/.run: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	touch $@

.venv/.docs: .venv/.dev requirements-docs.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-docs.txt
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
