# make train   set up .venv, train on the built-in 3D suite, evaluate, film
# make test    set up .venv, run the tests          make test-slow   the learning tests as well
# make lint    ruff and mypy                        make bench       the benchmarks
# make test-lowest  the tests with the lowest versions that pyproject.toml allows, in an environment of its own
# make docs    the documentation as a site: open site/index.html
# make bench-gpu  on a machine with a GPU: the tests marked gpu, and minilab's and the agent's speed there
# make bench-peers  other libraries beside ours, each in a .venv of its own
# make compare train one agent without and one with CPC, draw both curves
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
RUN ?= runs/first
FRAMES ?= 4000000
BIN := .venv/bin
READY := .venv/.ready

.PHONY: train compare test test-slow test-lowest docs lint bench bench-gpu bench-peers clean

train: $(READY)
	$(BIN)/python -m agents.random --env rooms_watermaze --episodes 64
	@if [ -f $(RUN)/config.yaml ]; then \
	  $(BIN)/python -m agents.a2c --resume $(RUN) --frames $(FRAMES); \
	else \
	  $(BIN)/python -m agents.a2c --preset laptop --env rooms_watermaze --aux cpc --frames $(FRAMES) --run $(RUN); \
	fi
	$(BIN)/python -m cpc_rl.evaluate $(RUN) --episodes 32 --video $(RUN)/video/episode.mp4

compare: $(READY)
	$(BIN)/python benchmarks/learning.py --seeds 1 --frames $(FRAMES) --runs runs/compare --out runs/compare

# No worker in place of one that died: pytest-xdist would wait for ever.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not gpu" -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

test-lowest: $(READY)
	$(BIN)/python tests/lowest.py

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow"

docs: $(READY)
	$(BIN)/python docs/build.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/env_speed.py
	$(BIN)/python benchmarks/level_returns.py
	$(BIN)/python benchmarks/infonce.py
	$(BIN)/python benchmarks/limit.py
	$(BIN)/python benchmarks/agent_speed.py
	$(BIN)/python benchmarks/ranks.py

bench-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python benchmarks/env_gpu.py
	$(BIN)/python benchmarks/agent_speed.py --device cuda --sweep num-envs 32 128 512 1024

bench-peers: $(READY)
	$(BIN)/python benchmarks/env_peers.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/loss_peers.py

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed and none was found; make PYTHON=/path/to/python3.13"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
