# `make demo` and `make test` do everything on a fresh machine, set-up included; `make check` is the quick loop.

PY := .venv/bin/python
ENGINE := deploy/with-engine.sh

# Some shells say so; then each of the many processes that tests start would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-script test check bench campaign format generated setup setup-tests setup-bench clean

demo: setup            ## try it in a browser: a chat page on http://127.0.0.1:8700
	@$(ENGINE) demo $(PY) -m bot demo

demo-script: setup     ## the same as a played conversation, proven step by step
	@$(ENGINE) demo $(PY) -m bot demo --script

# What tests draw at random is drawn by one seed here, so that two runs of one commit try the same; a campaign draws anew.
test: export SHIPKEEPER_SEED ?= 20261128
test: setup-tests      ## every test, on a real engine
	@$(PY) -m compileall -q bot handlers
	@SHIPKEEPER_ENGINE_BASE=$${SHIPKEEPER_ENGINE_BASE:-$$($(PY) -m tests.support.memory)} $(ENGINE) test $(MAKE) --no-print-directory -j 2 run-tests check-style

# Most tests wait more than they work, so several files run side by side, in the order of tests/conftest.py (else
# files of few tests would come last, and those take minutes), and style and types are looked at meanwhile; what
# measures time runs alone.
.PHONY: run-tests run-side-by-side
run-tests: run-side-by-side check-style
	@$(PY) -m pytest -m "not bench" -s tests/bench

run-side-by-side:
	@SHIPKEEPER_PICTURES=$${SHIPKEEPER_PICTURES:-$(CURDIR)/build/pictures} $(PY) -m tests.support.side_by_side

check: setup check-style   ## style, types, import contracts and unit tests, in under a minute
	@$(PY) -m pytest -q tests/unit

.PHONY: check-style
check-style:
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@.venv/bin/lint-imports >/dev/null || .venv/bin/lint-imports

bench: setup-bench     ## speed, memory and load beside what people use instead; slow, and never part of `make test`
	@rm -rf build/bench
	@$(ENGINE) bench $(PY) -m pytest -m bench -s
	@$(PY) -m tests.bench.report

campaign: setup-tests  ## the long versions of the fault tests
	@SHIPKEEPER_KILLS=300 SHIPKEEPER_POINTS=0 SHIPKEEPER_ROUNDS=1000 SHIPKEEPER_FAULT_RUNS=300 \
	 SHIPKEEPER_QUIET_RUNS=100 SHIPKEEPER_FLIPS=500 SHIPKEEPER_PROGRESS_MIB=2048 \
	 SHIPKEEPER_DUE_TIMES=1000 SHIPKEEPER_DUE_SECONDS=120 \
	 $(ENGINE) campaign $(PY) -m pytest -m faults -s
	@SHIPKEEPER_TOLD_RUNS=1000 SHIPKEEPER_SOCKET_DROPS=20 SHIPKEEPER_HOLE_SECONDS=60 SHIPKEEPER_INTERACTIONS=100 \
	 $(PY) -m pytest -s tests/slack/test_outbox_storm.py tests/slack/test_socket_storm.py tests/slack/test_interactions_repeated.py
	@SHIPKEEPER_DECISIONS=5000 $(PY) -m pytest -q tests/unit/test_policy_matrix.py
	@SHIPKEEPER_FUZZ=20000 $(PY) -m pytest -s tests/slack/test_fuzzed_http.py tests/slack/test_fuzzed_socket.py
	@SHIPKEEPER_CAMPAIGN=1 $(PY) -m pytest -q -n 2 -m "not bench" tests/unit tests/stores
	@SHIPKEEPER_HISTORIES=10000 $(PY) -m pytest -q tests/unit/test_retention.py
	@SHIPKEEPER_HOSTILE_ENTRIES=1000000 $(PY) -m pytest tests/unit/test_hostile_tars.py

format: setup
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

generated: setup       ## the files that are made from the code; tests compare them
	@$(PY) -m bot manifest --format yaml > deploy/slack-manifest.yaml
	@$(PY) -m bot example-settings > deploy/settings.example.toml
	@LC_ALL=C $(PY) -m bot reference commands > docs/commands.md
	@$(PY) -m bot reference settings > docs/settings.md
	@deploy/catalogue.sh

setup:
	@deploy/setup.sh

setup-tests:
	@deploy/setup.sh tests

setup-bench:
	@deploy/setup.sh bench

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
