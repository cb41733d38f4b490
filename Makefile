# make demo | test | check | serve | bench. The first call installs into .venv; later calls skip what is done.
PY := .venv/bin/python
BIN := .venv/bin
STAMP := .venv/.installed
# An unreachable hub costs most of a minute of retries, so it is asked only when the demo is given a hub id.
ifeq ($(if $(ENCODER),$(wildcard $(ENCODER)),folder),)
export HF_HUB_OFFLINE ?= 0
else
export HF_HUB_OFFLINE ?= 1
endif
# Idle OpenMP threads spin by default; on shared cores that costs a factor of four.
export GOMP_SPINCOUNT ?= 0

.PHONY: demo test check serve bench lint format types contracts migrations-check clean

$(STAMP): pyproject.toml constraints.txt
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf .venv; python3 -m venv .venv; } || \
	  { rm -rf .venv; echo "python3 cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/afterloop demo $(if $(DATA),--data $(DATA)) $(if $(ENCODER),--encoder $(ENCODER))

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests

check: lint types contracts migrations-check test

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

migrations-check: $(STAMP)
	$(PY) -m migrations.check

serve: $(STAMP)
	$(BIN)/afterloop serve

bench: $(STAMP)
	@for script in bench/[a-z]*.py; do echo "== $$script"; $(PY) $$script --short || exit 1; done

clean:
	rm -rf .venv var demo-out .mypy_cache .ruff_cache .pytest_cache
