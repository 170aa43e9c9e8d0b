# Python 3.11 or newer and make are all that must be there; everything else is installed here.

ENV ?= dev
PYTHON ?= python3
VENV := .venv
# torchtitan's own: a dependency of it and one of the CDK need different versions of typeguard.
TITAN := .venv-torchtitan
# Node, npm and every console script of the virtual environment come first for all recipes.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Node trusts what the system trusts: behind a company's proxy npm fails otherwise.
export NODE_USE_SYSTEM_CA := 1

.PHONY: help setup rehearse rehearse-node rehearse-night campaign fuzz review review-samples test lint golden rules unverified catalogue lock versions bench planner-fit planner-accuracy bench-training bench-network clean

help:
	@echo "make rehearse ENV=dev   deploy an environment to an emulated AWS on this machine"
	@echo "make rehearse-node      boot the nodes of an environment in virtual machines, with faults"
	@echo "make rehearse-night     a real Slurm with real monitoring, and the catalogue of faults"
	@echo "make campaign ENV=dev   let every resource of an environment fail, one after the other"
	@echo "make test               every test, linter and type check"
	@echo "make fuzz MINUTES=60    files that hurt, through every command that reads files"
	@echo "make review ENV=dev     what is built, what changes and what it risks, on one page"
	@echo "make golden             rewrite the golden templates that reviews compare"
	@echo "make rules              rewrite the page of the fabric rules"
	@echo "make unverified         rewrite the page of what only an account can tell"
	@echo "make bench              measure synthesis against an empty CDK app"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# What a rehearsal and a deployment need: CDK from the lock files, Node and npm from a wheel.
$(VENV)/rehearsal.stamp: $(VENV)/bin/python requirements-rehearsal.txt pyproject.toml package-lock.json
	pip install --quiet -r requirements-rehearsal.txt
	pip install --quiet --no-deps --editable .
	npm ci --loglevel=error
	@touch $@

# What tests need on top: test tools, and PyTorch for the training program.
$(VENV)/dev.stamp: $(VENV)/rehearsal.stamp requirements-dev.txt training/requirements.txt
	pip install --quiet -r requirements-dev.txt
	pip install --quiet --constraint requirements-dev.txt -r training/requirements.txt
	@touch $@

$(TITAN)/stamp: training/torchtitan/requirements.txt
	$(PYTHON) -m venv $(TITAN)
	$(TITAN)/bin/pip install --quiet -r $<
	@touch $@

setup: $(VENV)/rehearsal.stamp

rehearse: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) $(if $(KEEP),--keep)

# QEMU and mmdebstrap are Debian's packages; where they are missing it says what to install.
rehearse-node: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) --nodes $(if $(ACCEPT),--accept) $(if $(FAULT),--node-fault $(FAULT))

# The catalogue of faults on a real Slurm with real monitoring, half an hour: docs/operate/night.md.
# Debian's slurmctld slurmd slurm-client slurmdbd mariadb-server prometheus prometheus-alertmanager.
rehearse-night: $(VENV)/dev.stamp
	python -m tests.night.night

# A fault at every resource and between calls: how each ended, what was charged, what is left.
campaign: $(VENV)/rehearsal.stamp
	@ultracluster rehearse $(ENV) --campaign --page docs/campaign/$(ENV).md $(if $(JOBS),--jobs $(JOBS))

# Side by side on two to four cores; `pytest` alone runs them one after the other.
test: $(VENV)/dev.stamp $(TITAN)/stamp lint
	pytest --numprocesses logical --maxprocesses 4 --dist loadscope

# Files that hurt, through every command that reads files; the seed is the time, and is printed.
fuzz: $(VENV)/dev.stamp
	python -m tests.hostile.campaign $(or $(MINUTES),60) $(SEED)

lint: $(VENV)/dev.stamp
	ruff check .
	ruff format --check .
	mypy
	hadolint training/image/Dockerfile
	shellcheck .ci/run $$(find training ultracluster constructs_lib -name '*.sh' -o -name '*.sbatch') \
		$$(find ultracluster/rehearse/machine/root -path '*bin/*' -type f) \
		$$(find ultracluster/rehearse/machine/program -type f ! -name train)

golden: $(VENV)/dev.stamp
	python -m golden.generate
	python -m golden.samples
	python -m golden.image_page

# What the environment builds and what it changes against the golden templates, in build/review.
review: $(VENV)/rehearsal.stamp
	@ultracluster review $(ENV) --format html,md,json $(if $(BASELINE),--baseline $(BASELINE))

# The sample reports in docs/review, and where Chromium is installed the README's pictures of one.
review-samples: $(VENV)/dev.stamp
	python -m golden.samples
	if command -v chromium > /dev/null; then python -m tests.review.screenshot; fi

rules: $(VENV)/rehearsal.stamp
	python -m golden.rules_page

unverified: $(VENV)/rehearsal.stamp
	python -m ultracluster.accept.facts

catalogue: $(VENV)/rehearsal.stamp
	python facts/generate.py
	python facts/replacements.py
	python facts/property_limits.py
	python -m facts.job_environment

bench: $(VENV)/dev.stamp
	python benchmarks/synthesis.py
	python benchmarks/audit.py
	python benchmarks/planner/speed.py

# The planner's constants, fitted again to half of the published runs on one node.
planner-fit: $(VENV)/dev.stamp
	python benchmarks/planner/fit.py

# docs/planner-accuracy.md: predicted against published, for every row.
planner-accuracy: $(VENV)/dev.stamp
	python benchmarks/planner/accuracy.py

# On a machine without an NVIDIA GPU it says so and does nothing else.
bench-training: $(VENV)/dev.stamp
	python benchmarks/training/throughput.py

# MiCS against ZeRO-3 over rate-limited links between network namespaces: Linux, root, iproute2.
bench-network: $(VENV)/dev.stamp
	python benchmarks/training/mics_network.py

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --upgrade

lock: $(VENV)/dev.stamp
	pip install --quiet uv
	$(LOCK) --extra rehearse -o requirements-rehearsal.txt
	$(LOCK) --extra cdk --constraint requirements-rehearsal.txt -o requirements.txt
	$(LOCK) --extra dev -o requirements-dev.txt
	$(subst pyproject.toml,training/torchtitan/requirements.in,$(LOCK)) -o training/torchtitan/requirements.txt
	# PyTorch for GPUs brings a triton of its own version, and PyTorch for processors none.
	sed -i 's/^triton==.*/triton/' training/torchtitan/requirements.txt
	npm install --package-lock-only --silent

# The foreign examples with the lowest and the highest CDK that the registry serves.
versions: $(VENV)/dev.stamp
	pip install --quiet uv
	python examples/versions.py

clean:
	rm -rf $(VENV) $(TITAN) node_modules cdk.out build *.egg-info
