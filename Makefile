# Every target does its own set-up in .venv. Windows has no make: the same lines stand in README.md.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PORT ?= 5020
PARTS ?= 200

.PHONY: demo test check format notebook wheelhouse clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[train,demo,notebook,dev]"
	touch $(READY)

demo: $(READY)  ## learn, report, sort 200 solar cells through a simulated PLC
	$(BIN)/python tools/demo.py --port $(PORT) --parts $(PARTS)

test: $(READY)  ## the whole suite; three at once on two cores: many tests wait for another process
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: $(READY)  ## lint, format, strict types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebook: $(READY)  ## notebooks/*.py as .ipynb to work with
	$(BIN)/jupytext --to ipynb notebooks/*.py

wheelhouse: $(READY)  ## everything a line PC needs, hash-locked, for a USB stick
	$(BIN)/python tools/wheelhouse.py wheelhouse

clean:
	rm -rf demo wheelhouse .mypy_cache .ruff_cache .pytest_cache
