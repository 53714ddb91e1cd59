# Everything needs only Python 3.11+, make and a network; each target sets up what it lacks first.
#
#   make run     start Heshi and keep it running         make test    run the whole test suite
#   make demo    play the sample cases                    make lint    style, types, layers
#   make bench   measure speed and size                   make mutants take mechanisms out, see a test fail
#   make setup   set-up alone                             make lock    renew the lock files (ARGS=--upgrade)
#   make faults  strike the stack and judge what came of it (under an hour; resumable)
#   make check-containers   the same in containers (needs a Docker engine)
#   make screenshots        pictures of the console (needs Debian's chromium and fonts-noto-cjk)
#   make fmt     format the code                          ARGS="…" goes to the command behind a target

.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# A stamp's name holds the sum of the lock it stands for: the same lock is never installed twice, a changed one is.
sum = $(shell cat $(1) | cksum | tr ' ' '-')
STAMPS := $(VENV)/stamps
TOOLS := $(STAMPS)/tools-$(call sum,requirements-setup.lock)
RUNTIME := $(STAMPS)/runtime-$(call sum,requirements.lock pyproject.toml)
DEV := $(STAMPS)/dev-$(call sum,requirements-dev.lock pyproject.toml)
KAFKA := $(STAMPS)/kafka-$(call sum,ops/kafka/jgo.lock.toml)

# Locks hold no addresses: where packages come from is this machine's setting.
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .

.PHONY: run demo test lint bench mutants faults check-containers screenshots setup setup-dev lock fmt
.NOTPARALLEL:

run: setup
	@exec $(BIN)/heshi up $(ARGS)

demo: setup
	@exec $(BIN)/python -m ops.demo $(ARGS)

bench: setup
	@exec $(BIN)/python -m bench $(ARGS)

test: setup-dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

mutants: setup-dev
	$(BIN)/python -m tests.mutants $(ARGS)

faults: setup-dev
	$(BIN)/python -m faults run --seed 1 --seed 2 --seed 3 --minutes 15 $(ARGS)
	$(BIN)/python -m faults recover
	$(BIN)/python -m faults report

check-containers: setup-dev
	$(BIN)/python -m tests.containers

screenshots: setup-dev
	$(BIN)/python -m ops.screenshots

lint: setup-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

setup: $(TOOLS) $(RUNTIME) $(KAFKA)

setup-dev: setup $(DEV)

$(TOOLS):
	@echo "Set-up 1/3: virtual environment and installer"
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it by PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no venv: install it (Debian: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/tools-* && touch $@

$(RUNTIME): $(TOOLS)
	@echo "Set-up 2/3: packages"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	@$(INSTALL)
	@rm -f $(STAMPS)/runtime-* $(STAMPS)/dev-* && touch $@

$(KAFKA): $(RUNTIME)
	@echo "Set-up 3/3: Kafka"
	@$(BIN)/python -m ops.stack.jars
	@rm -f $(STAMPS)/kafka-* && touch $@

# Holds all of the runtime lock, so what `make run` needs stays installed.
$(DEV): $(RUNTIME)
	@echo "Set-up for tests: packages"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(INSTALL)
	@rm -f $(STAMPS)/dev-* && touch $@

lock: setup
	$(COMPILE) $(ARGS) --output-file requirements.lock
	$(COMPILE) $(ARGS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	echo uv | $(subst pyproject.toml,-,$(COMPILE)) $(ARGS) --output-file requirements-setup.lock
	$(BIN)/python -m ops.stack.jars lock
