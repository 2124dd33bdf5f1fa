# Two commands matter: `make demo` and `make test`. Each installs what it needs into .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt
RUNTIME := $(VENV)/.openmov-runtime
DEV := $(VENV)/.openmov-dev
INPUTS := pyproject.toml constraints/cpu.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: crash soak help setup setup-dev demo check format test test-slow test-openclip bench docs results studies pretrain clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf '  make %-13s %s\n' "$$name" "$$what"; done

setup: $(RUNTIME)  ## install openmov into .venv
setup-dev: $(DEV)  ## and what tests and checks need

# Made anew only where pyproject.toml or the constraints changed; the sources are installed in place (-e).
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'openmov needs Python 3.11 or newer: make PYTHON=/path/to/python3.11' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(INPUTS) | $(BIN)/python
	$(PIP) -e .
	@touch $@

# CLIP's vocabulary as it is published, for the tests that compare with it: a file of this wheel, which is not installed.
$(DEV): $(INPUTS) | $(BIN)/python
	$(PIP) -e '.[dev]'
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(VENV)/wheels open-clip-torch==3.3.0
	@touch $@ $(RUNTIME)

demo: $(RUNTIME)  ## the whole job in small: clips, training, report.html (at most 12 minutes on 2 cores)
	$(BIN)/openmov demo --out demo

check: $(DEV)  ## style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEV)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(DEV)  ## all tests but the slow ones (at most 10 minutes on 2 cores)
	$(BIN)/python -m pytest

test-slow: $(DEV)  ## the slow ones
	$(BIN)/python -m pytest -m slow --timeout 3600

# open_clip needs timm, and timm needs torchvision, which cannot be imported beside the CPU wheel of torch that the other
# tests use: an environment of its own with torch as PyPI serves it (6 GB; 1 to 10 minutes to make, by the network),
# on which the tests take a minute. No GPU is needed.
OPENCLIP_VENV := .venv-openclip
OPENCLIP := $(OPENCLIP_VENV)/.openmov-openclip

$(OPENCLIP): pyproject.toml
	$(PYTHON) -m venv $(OPENCLIP_VENV)
	$(OPENCLIP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
		torch==2.14.1 torchvision==0.29.1 timm==1.0.31 open-clip-torch==3.3.0 \
		-e . 'beartype>=0.20' 'pytest>=8.3' 'pytest-timeout>=2.3'
	@touch $@

test-openclip: $(OPENCLIP)  ## tests beside open_clip, in an environment of their own (6 GB, once)
	$(OPENCLIP_VENV)/bin/python -m pytest tests/openclip

fuzz: $(DEV)  ## damaged inputs by the thousand, each in a process with limits (an hour at most)
	@for script in $(filter-out %/crash.py %/soak.py,$(wildcard tests/campaigns/*.py)); do \
		echo "== $$script" && $(BIN)/python "$$script" || exit 1; done

crash: $(DEV)  ## 20 kills at random moments of each of six verbs, into docs/results (about an hour on 2 idle cores)
	$(BIN)/python tests/campaigns/crash.py --json docs/results/crash-$(shell date +%Y-%m-%d).json

soak: $(DEV)  ## 10,000 short clips through predict and prepare, into docs/results (about an hour on 2 idle cores)
	$(BIN)/python tests/campaigns/soak.py --json docs/results/soak-$(shell date +%Y-%m-%d).json

bench: $(DEV)  ## every timed comparison, in little
	@for script in $(wildcard benchmarks/*.py); do \
		echo "== $$script" && $(BIN)/python "$$script" --quick || exit 1; done

docs: $(RUNTIME)  ## write docs/reference anew from the code
	$(BIN)/python docs/build.py

results: $(RUNTIME)  ## three seeds, both tasks (at most 90 minutes on 2 cores), into docs/results
	$(BIN)/openmov results --out docs/results/$(shell date +%Y-%m-%d)

studies: $(RUNTIME)  ## every table and figure of the paper on ShapesAV (at most 120 minutes on 2 cores), into docs/results
	$(BIN)/openmov study all --data shapesav --out docs/results/studies-$(shell date +%Y-%m-%d) --work runs/study

pretrain: $(RUNTIME)  ## make the bundled tiny CLIPs anew (at most 60 minutes each on 2 cores)
	$(BIN)/python -m openmov.shapesav.tiny_clip --out src/openmov/shapesav/weights
	$(BIN)/python -m openmov.shapesav.tiny_clip --out src/openmov/shapesav/weights_wide --width 192 --seed 1

clean:  ## forget .venv, so that the next target installs anew
	rm -rf $(VENV) $(OPENCLIP_VENV)
