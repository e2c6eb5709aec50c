# `make demo` and `make test` work on a fresh machine that has Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
LOWEST := .venv-lowest
DEMO := runs/digits-$(shell date +%Y%m%d-%H%M%S)

# The kernels are small and test machines have few cores, so more threads would only slow each other down.
export OMP_NUM_THREADS ?= 1
# The tests start hundreds of processes. Bytecode is written so that each module is compiled only once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test test-quick test-lowest soak fuzz check bench-lint bench-demo bench-editor docs-rules docs-cells vsix clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hvaedsl needs Python 3.11 or newer; select an interpreter with make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing into .venv (torch and torchvision are about 5 GB) ..."
	@PATH="$$PATH:$(CURDIR)/$(BIN)" uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --group dev --editable '.[train,lsp,tiff,hf]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/hvaedsl compile specs/cifar_ws.hvae --render
	$(BIN)/hvaedsl train specs/digits.hvae --out $(DEMO)
	@echo
	@echo "diagram of cifar_ws:         cifar_ws.svg"
	@echo "samples, reconstructions:    $(DEMO)/"
	@echo "results:                     $(DEMO)/summary.json"

test: $(INSTALLED) check
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not soak"

test-quick: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not long and not soak"

# All long runs: training, faults, signals and large counts, of which `test` runs a sample. The longest is a hundred random
# faults on one run (tests/faults/test_hundred.py), each with a start of the processes; HVAEDSL_SOAK_FAULTS=20 is shorter.
soak: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "long or soak"

# The quick tests with every direct dependency, torch among them, at the lower bound in pyproject.toml. `test` checks
# the bounds of the base install (tests/packaging/test_lowest.py).
test-lowest: $(INSTALLED)
	@PATH="$$PATH:$(CURDIR)/$(BIN)" uv venv --quiet --clear --python 3.11 $(LOWEST)
	@echo "installing into $(LOWEST) (torch and torchvision are about 5 GB) ..."
	@PATH="$$PATH:$(CURDIR)/$(BIN)" uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --group dev --editable '.[train,lsp,tiff,hf]'
	$(LOWEST)/bin/python -m pytest -q -n 2 --dist worksteal -m "not long and not soak"

# Tens of thousands of random and damaged specs, different ones in each run: about ten minutes. Failing specs are minimized.
fuzz: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q tests/properties

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The VS Code extension. Only this target needs node and npm.
vsix:
	@command -v npm >/dev/null || { echo "npm not found; building the extension needs node and npm"; exit 1; }
	@rm -rf build/vscode && mkdir -p build dist && cp -r editors/vscode build/vscode && cp LICENSE build/vscode/LICENSE.txt
	cd build/vscode && npm install --no-audit --no-fund && npm run package -- --out "$(CURDIR)/dist/hvaedsl.vsix"

docs-rules: $(INSTALLED)
	$(BIN)/hvaedsl explain --markdown docs/rules

docs-cells: $(INSTALLED)
	$(BIN)/hvaedsl explain cell --markdown docs

bench-lint: $(INSTALLED)
	$(BIN)/python -m benchmarks.lint

# CPU time and result of `demo` after the install, against their bounds; about two minutes.
bench-demo: $(INSTALLED)
	$(BIN)/python -m benchmarks.demo

# Recorded editing sessions against `hvaedsl lsp`; about eight minutes.
bench-editor: $(INSTALLED)
	$(BIN)/python -m benchmarks.editor

clean:
	rm -rf .venv $(LOWEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis
