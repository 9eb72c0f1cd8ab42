# Two commands do everything: `make verify` and `make test`. Each builds its own environment on first use.

PYTHON ?= python3
DATA ?=
SEED ?= 0
BUDGET ?= quick
OUT ?= out
JOBS ?= 2
SECONDS ?= 600

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

EVAL := dithered:step=1 circle:scheme=deterministic circle:scheme=private circle:scheme=shared
PHOTO_CODECS := jpeg:quality=10 jpeg:quality=30 jpeg:quality=75 jpegxl:distance=8 jpegxl:distance=3 jpegxl:distance=1

.DEFAULT_GOAL := help
.PHONY: help env verify test test-all check figures bench fuzz clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: DATA=folder of photographs, SEED=$(SEED), BUDGET=quick|full|deep, OUT=$(OUT),"
	@echo "             JOBS=$(JOBS) processes, PYTHON=$(PYTHON), TORCH_INDEX=package index to take torch from"

env: $(INSTALLED)  ## build the environment in .venv (nothing to do if it is there)

# torch goes first, so that TORCH_INDEX chooses its build and nothing after it chooses another.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rdp needs Python 3.11 or newer")'
	@echo "building the environment in $(VENV): a few minutes, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Every part runs, whatever the ones before it found; the last line's exit status is the sum of it.
verify: env  ## check every claim, evaluate codecs on photographs, draw the figures, write one report
	@mkdir -p $(OUT) && rm -f $(OUT)/verify.json $(OUT)/eval.jsonl $(OUT)/report.html
	@status=0; trap "exit 130" INT; \
	$(BIN)/python -m sims --negative-controls --jobs $(JOBS) --budget $(BUDGET) --seed $(SEED) --json $(OUT)/verify.json || status=1; \
	$(BIN)/rdp eval $(foreach c,$(filter dithered%,$(EVAL)),--codec $c) --source gaussian:size=65536 \
		--items 16 --metrics squared_error_per_symbol w2_squared energy_distance \
		--seed $(SEED) --out $(OUT)/eval.jsonl || status=1; \
	$(BIN)/rdp eval $(foreach c,$(filter circle%,$(EVAL)),--codec $c) --source circle:size=65536 \
		--items 16 --metrics squared_error_per_symbol sliced_w2_squared observer_accuracy:classifier=quadratic \
		--seed $(SEED) --out $(OUT)/eval.jsonl || status=1; \
	$(BIN)/rdp eval --preset quick $(foreach c,$(PHOTO_CODECS),--codec $c) $(if $(DATA),--data '$(DATA)') --jobs $(JOBS) \
		--metrics psnr_db ms_ssim efficientnet_lite0_distance 'energy_distance:features=[crops:of=[dct]]' \
		--seed $(SEED) --out $(OUT)/eval.jsonl || status=1; \
	$(BIN)/python -m paper_figures --jobs $(JOBS) --out $(OUT)/figures $(if $(DATA),--data '$(DATA)') \
		--seed $(SEED) || status=1; \
	$(BIN)/rdp report --claims $(OUT)/verify.json --eval $(OUT)/eval.jsonl --figures $(OUT)/figures \
		--out $(OUT)/report.html || status=1; \
	exit $$status

# Two processes of one thread each: more threads than cores make small matrices many times slower. A file of tests stays
# in one of them, so that its fixtures are made once; the order is kept, in which no long file comes last. Bytecode is
# kept, whatever the shell says: tests start hundreds of processes.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

test: env  ## the fast tests
	$(PYTEST)

test-all: env  ## the fast and the slow tests
	$(PYTEST) -m '' --hypothesis-profile many

check: env  ## formatter, linter, types, import directions, and that torch is the build that was meant
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/check_torch.py

figures: env  ## draw the figures into out/figures: PDF, PNG, and the numbers as JSON
	$(BIN)/python -m paper_figures --jobs $(JOBS) --out $(OUT)/figures $(if $(DATA),--data '$(DATA)') \
		--seed $(SEED)

bench: env  ## time what was made to be fast, side by side in one run
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# Atheris is not among the development packages: it has no wheel for every system.
fuzz: env  ## ten minutes of coverage-guided fuzzing of the parsers (SECONDS=600)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check 'atheris>=2.3'
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_parsers.py --seconds $(SECONDS) --seed $(shell expr $(SEED) + 1)

clean:  ## remove the environment and everything that was computed
	rm -rf $(VENV) $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis
