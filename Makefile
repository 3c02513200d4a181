# Two commands are enough on a new machine: `make synth` and `make test`. Both set everything up first.
PYTHON ?= python3
BIN := .venv/bin
# .venv/bin first, so that jsii and the CDK CLI find the Node that came from PyPI, whatever the machine has.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv does not read pip's settings: hand over the one a company mirror needs.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.11
# Not `aio`: aiobotocore pins an older botocore.
EXTRAS := --extra cdk --extra agent --extra verify --extra testing --group dev

# Compiled here once: where the machine forbids bytecode, every process would compile the CDK's modules anew (seconds).
SYNC := $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes
unexport PYTHONDONTWRITEBYTECODE

# The machine's own certificate store: behind a company's proxy uv's built-in one knows too little.
export UV_SYSTEM_CERTS ?= 1

# Workers take tests from each other at the end, and keep a file's tests together before that.
PARALLEL := -n auto --dist worksteal

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.python: requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; fix: make PYTHON=python3.12 ...")'
	@echo "==> Python packages"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(SYNC) --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.node: .venv/.python package-lock.json
	@echo "==> CDK CLI"
	@$(BIN)/npm ci --loglevel=error --no-fund --no-audit >/dev/null
	@ln -sf ../../node_modules/.bin/cdk $(BIN)/cdk
	@touch $@

.PHONY: setup
setup: .venv/.node ## Install everything from the lock files into .venv and node_modules
	@$(BIN)/python -m compileall -q session_scoping

.PHONY: synth
synth: setup ## Synthesize the reference stack into cdk.out (ARGS="-c minting=orchestrator")
	@$(BIN)/cdk synth --quiet $(ARGS)
	@ls cdk.out/*.template.json

.PHONY: verify
verify: synth ## Synthesize, then prove the reference stack (ARGS="-c minting=orchestrator")
	@$(BIN)/session-scoping verify cdk.out

.PHONY: picture
picture: synth ## Draw the README's picture of the reference stack again (docs/reach.svg)
	@$(BIN)/session-scoping explain cdk.out --svg docs/reach.svg

.PHONY: test
test: setup ## Run the tests (five to eight minutes on two cores; leaves the exhaustive ones to test-all)
	@$(BIN)/python -m pytest $(PARALLEL) -m "not exhaustive" $(ARGS)

.PHONY: test-all
test-all: setup ## Run every test
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

.venv-lowest/.ready: requirements/lowest.txt .venv/.node
	@echo "==> Lowest declared versions"
	@test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	@$(SYNC) --python .venv-lowest/bin/python requirements/lowest.txt
	@$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

# What a library's version can change: all but tests/verify, and of that the proofs of the reference stack in every mode,
# each call of the solver and each kind of report. What is left out asks the same calls about more templates.
VERSIONED := tests/unit tests/synth tests/agent tests/aws $(patsubst %,tests/verify/test_%.py,abstraction \
	conditional_properties derivation names_by_condition ordinary_roles peers promises report_layout revocation role_tags \
	rule_pack sarif strangers token_vault tokens tools)

.PHONY: test-lowest
test-lowest: .venv-lowest/.ready ## Run the tests that versions can break with the lowest that pyproject.toml declares
	@PATH="$(CURDIR)/.venv-lowest/bin:$$PATH" .venv-lowest/bin/python -m pytest $(PARALLEL) -p no:cacheprovider \
		-m "not exhaustive" $(VERSIONED) $(ARGS)

# Of its own: the AWS CLI comes with a botocore of another version.
.venv-aws-cli/.ready: requirements/aws-cli.txt .venv/.python
	@echo "==> AWS CLI"
	@test -x .venv-aws-cli/bin/python || $(PYTHON) -m venv --without-pip .venv-aws-cli
	@$(SYNC) --python .venv-aws-cli/bin/python requirements/aws-cli.txt
	@touch $@

.PHONY: test-aws-cli
test-aws-cli: setup .venv-aws-cli/.ready ## Test `session-scoping run` with the AWS CLI as its child, from an environment of its own
	@$(BIN)/python -m pytest -k aws-cli tests/agent $(ARGS)

# An environment with one of the lock files that stay out of .venv: .venv-aio from requirements/aio.txt.
.venv-%/.ready: requirements/%.txt .venv/.python
	@echo "==> $*"
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv --without-pip .venv-$*
	@$(SYNC) --python .venv-$*/bin/python requirements/$*.txt
	@touch $@

# From the working tree, without the conftest of the other tests, which needs the CDK.
APART := -m pytest -p no:cacheprovider --confcutdir=tests/clients

.PHONY: test-aio
test-aio: .venv-aio/.ready .venv-aioboto3/.ready ## Test the async session with aiobotocore, s3fs and aioboto3, each in an environment of its own
	@.venv-aio/bin/python $(APART) --ignore tests/clients/aio/test_aioboto3.py tests/clients/aio $(ARGS)
	@.venv-aioboto3/bin/python $(APART) --ignore tests/clients/aio/test_s3fs.py tests/clients/aio $(ARGS)

.PHONY: test-clients
test-clients: .venv-clients/.ready test-aio ## Test each line of docs/your-library.md against its real package (an install of 900 MB, then two minutes)
	@.venv-clients/bin/python $(APART) tests/clients/libraries $(ARGS)

.PHONY: test-flaky
test-flaky: setup ## Run the agent's and the broker's tests 20 times on a busy machine (ROUNDS=5)
	@for loop in 1 2; do timeout 2h yes >/dev/null & loops="$$loops $$!"; done; \
	trap "kill $$loops" EXIT; trap exit INT TERM; for round in $$(seq $(or $(ROUNDS),20)); do \
		echo "==> round $$round"; timeout --foreground 20m $(BIN)/python -m pytest -n 2 tests/agent tests/aws/broker $(ARGS) || exit; \
	done

.PHONY: mutants
mutants: setup ## Weaken every emitted statement and show that the request matrix notices (minutes)
	@$(BIN)/python -m tests.exhaustive.statement_mutants

.PHONY: mutate
mutate: setup ## Put small faults into one package and show which its tests do not notice (ARGS="agent --seed 7")
	@$(BIN)/python -m tests.support.mutate $(ARGS)

.PHONY: lint
lint: setup ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m tools.house
	@$(BIN)/mypy

.PHONY: format
format: setup ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: demo
demo: setup ## Run two tasks of two users with real boto3 against the synthesized policies (under a minute)
	@$(BIN)/python -m examples.isolation_demo

RUNNABLE := fargate_existing_role step_functions_orchestrator fastapi_service strands_agent langgraph_agent

.PHONY: examples
examples: setup .venv-examples/.ready ## Run the examples with their own packages against the local enforcement (ONLY=strands_agent)
	@for name in $(or $(ONLY),$(RUNNABLE)); do \
		echo "==> examples/$$name"; .venv-examples/bin/python -m examples.$$name || exit; \
	done
	@$(if $(ONLY),,.venv-examples/bin/python $(APART) tests/clients/examples $(ARGS))

.PHONY: weakenings
weakenings: setup ## Judge every weakening of every example, not a sample (over half an hour on two cores; ARGS="small" for one)
	@$(BIN)/python -m tests.exhaustive.weakening_suite $(ARGS)

.PHONY: soundness
soundness: setup ## Attack random deployments with the simulator; none may be PROVED (hours; ARGS="--requests 20000 --seed 7")
	@$(BIN)/python -m tests.exhaustive.soundness $(ARGS)

.PHONY: bench
bench: setup ## Measure and rewrite benchmarks/README.md (ARGS="constructs" for one group of its tables)
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-peers
bench-peers: .venv-peers/.ready ## Compare the agent half with other packages that assume roles, on one stand-in STS (minutes)
	@.venv-peers/bin/python -m benchmarks peers

.PHONY: bench-check
bench-check: setup ## Check the sizes, counts and calls that benchmarks/README.md prints, and their targets
	@$(BIN)/python -m benchmarks --check

.PHONY: goldens
goldens: setup ## Rewrite snapshots/ (read the diff before you commit it)
	@$(BIN)/python -m pytest --snapshot-update $(ARGS)

.PHONY: action-data
action-data: setup ## Rewrite session_scoping/aws/data from the published data and the rules (read the diff before you commit it)
	@$(BIN)/python -m tools.action_data

.PHONY: docs
docs: setup .venv-docs/.ready ## Build the documentation site into build/site; a dead link or an undocumented public name fails it
	@$(BIN)/python -m tools.site write
	@.venv-docs/bin/zensical build --strict
	@$(BIN)/python -m tools.site check

.PHONY: dist
dist: setup ## Build wheel and sdist, and try both on every supported Python that is here (minutes)
	@$(BIN)/python -m tools.dist $(ARGS)

.PHONY: lock
lock: setup ## Rewrite the lock files in requirements/ from pyproject.toml
	@$(COMPILE) $(EXTRAS) pyproject.toml -o requirements/dev.txt
	@$(COMPILE) $(EXTRAS) --resolution lowest-direct pyproject.toml -o requirements/lowest.txt
	@$(COMPILE) --extra aio --group aio pyproject.toml -o requirements/aio.txt
	@$(COMPILE) --extra aio --group aioboto3 pyproject.toml -o requirements/aioboto3.txt
	@$(COMPILE) --group aws-cli pyproject.toml -o requirements/aws-cli.txt
	@$(COMPILE) --group clients pyproject.toml -o requirements/clients.txt
	@$(COMPILE) --group docs pyproject.toml -o requirements/docs.txt
	@$(COMPILE) --extra cdk --extra agent --extra verify --extra testing --group examples pyproject.toml -o requirements/examples.txt
	@$(COMPILE) --group peers pyproject.toml -o requirements/peers.txt

.PHONY: clean
clean: ## Remove everything the other commands made
	@rm -rf .venv .venv-* node_modules cdk.out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutate .soundness
