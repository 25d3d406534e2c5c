# make train   set up .venv, train on the built-in 3D suite, evaluate, film
# make test    set up .venv, run the tests          make test-slow   the learning tests as well
# make lint    ruff and mypy                        make bench       the benchmarks
# make compare train one agent without and one with CPC, draw both curves
PYTHON ?= python3
RUN ?= runs/first
FRAMES ?= 4000000
BIN := .venv/bin
READY := .venv/.ready

.PHONY: train compare test test-slow lint bench clean

train: $(READY)
	$(BIN)/python -m agents.random --env rooms_watermaze --episodes 64
	@if [ -f $(RUN)/config.yaml ]; then \
	  $(BIN)/python -m agents.a2c --resume $(RUN); \
	else \
	  $(BIN)/python -m agents.a2c --env rooms_watermaze --aux cpc --frames $(FRAMES) --run $(RUN); \
	fi
	$(BIN)/python -m cpc_rl.evaluate $(RUN) --episodes 32 --video $(RUN)/video/episode.mp4

compare: $(READY)
	$(BIN)/python benchmarks/learning.py --seeds 1 --frames $(FRAMES) --runs runs/compare --out runs/compare

test: $(READY)
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/env_speed.py
	$(BIN)/python benchmarks/infonce.py
	$(BIN)/python benchmarks/agent_speed.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Python >= 3.11 is needed; this is %d.%d: make PYTHON=python3.11 ..." % v[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
