# rtl-gen from a fresh clone: `make run` shows it, `make help` lists the rest.
#
# All that is made lies in build/: the Python packages (build/venv), Verilog, simulations, results.

PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	  command -v $$python >/dev/null && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    2>/dev/null && echo $$python && break; done)

VENV := build/venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --quiet --disable-pip-version-check
CLI := $(RUN) -m rtl_gen
# Packages that are installed: a stamp for each set of extras, anew when pyproject.toml changes.
READY := $(VENV)/.ready
# A comma would end the argument of a call.
WITH_TESTS := .[sweep,driver,test]
READY_SWEEP := $(VENV)/.ready-sweep
READY_TEST := $(VENV)/.ready-test

DATAFLOW ?= dataflows/weight_stationary.yaml
SWEEP ?= dataflows/sweeps/small.yaml
LAYER ?=
DATA ?=
SEED ?=
WAVES ?=
ARRAY ?=
STEPS ?=
SHAPE ?=
TESTS ?= tests

.PHONY: help run verilog explain draw gallery traffic sim sweep test test-long lint bench clean distclean system
.DEFAULT_GOAL := help

help:
	@echo 'make run            a network reads handwritten digits on generated hardware'
	@echo '                    (WAVES=0: a simulation that builds faster, without a waveform)'
	@echo 'make explain DATAFLOW=dataflows/x.yaml      how each tensor moves, and why'
	@echo 'make draw DATAFLOW=dataflows/x.yaml         draws the array: build/draw/x.svg'
	@echo '                    [STEPS=1]: step by step, build/draw/x_steps.html; [SHAPE=3x4]'
	@echo 'make gallery        writes docs/dataflows.md, all dataflows with their pictures'
	@echo 'make traffic        counts what every dataflow moves, in RTL, and writes docs/traffic.md'
	@echo 'make verilog DATAFLOW=dataflows/x.yaml      writes build/verilog/x.v and x.json'
	@echo '                    [ARRAY=1]: the bare PE array'
	@echo 'make sim DATAFLOW=... LAYER=...             runs a layer in RTL, bit by bit against numpy'
	@echo '                    [DATA=file.npz] [SEED=1] [WAVES=1]; without LAYER lists the names'
	@echo 'make sweep SWEEP=dataflows/sweeps/x.yaml    builds, simulates and counts many designs'
	@echo '                    [SEED=1]'
	@echo 'make test           the tests, on two cores;  make test-long  the full matrices'
	@echo 'make lint           ruff;  make bench  what must be fast, in build/bench.json'
	@echo 'make clean          removes what was made but the Python packages;  make distclean  all'

run: $(READY)
	@$(RUN) -m rtl_gen.report.show $(if $(filter 0,$(WAVES)),--no-waves)

explain: $(READY)
	@$(CLI) explain $(DATAFLOW)

draw: $(READY)
	@$(CLI) draw $(DATAFLOW) $(if $(filter-out 0,$(STEPS)),--steps) $(if $(SHAPE),--array $(SHAPE)) \
	  $(if $(LAYER),--layer '$(LAYER)')

gallery: $(READY)
	@$(RUN) -m rtl_gen.report.draw.gallery

traffic: $(READY)
	@$(RUN) -m rtl_gen.report.traffic_page

verilog: $(READY)
	@$(CLI) verilog $(DATAFLOW) $(if $(filter-out 0,$(ARRAY)),--array)

# A layer's text holds commas and equals signs, never spaces: several layers are several words.
sim: $(READY)
	@$(CLI) sim $(DATAFLOW) $(foreach layer,$(LAYER),'$(layer)') $(if $(DATA),--data '$(DATA)') \
	  $(if $(SEED),--seed $(SEED)) $(if $(filter-out 0,$(WAVES)),--waves)

sweep: $(READY_SWEEP)
	@$(CLI) sweep $(SWEEP) $(if $(SEED),--seed $(SEED))

# Short simulations: compiling them costs more than running them.
test: $(READY_TEST)
	OPT_FAST=-O1 $(RUN) -m pytest -n 2 -m 'not long' $(TESTS)

test-long: $(READY_TEST)
	$(RUN) -m pytest -n 2 -m long $(TESTS)

lint: $(READY_TEST)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

bench: $(READY_SWEEP)
	$(RUN) benchmarks/run.py

clean:
	@mkdir -p build
	@find build -mindepth 1 -maxdepth 1 ! -name venv -exec rm -rf {} +

distclean:
	rm -rf build

# What pip cannot install is named, with the command that installs it, before anything starts.
system:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or later is missing (runs everything):' \
	  'sudo apt install python3.11 python3.11-venv libpython3.11' >&2; exit 1; }
	@$(PYTHON) rtl_gen/sim/system.py

$(READY): pyproject.toml | system
	$(call install,.)

$(READY_SWEEP): pyproject.toml | $(READY)
	$(call install,.[sweep])

$(READY_TEST): pyproject.toml | $(READY)
	$(call install,$(WITH_TESTS))

define install
@echo 'installing Python packages into $(VENV): $(1)'
@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
@$(PIP) --editable '$(1)'
@touch $@
endef
