# The one door. Each target is one line; `make bench DATA=DIR OUT=DIR PAIRS=N`.
export PYTHONSAFEPATH := 1
PYTHON ?= python3
# The methods of the paper's comparison, which docs/tables.md shows; a new fuser changes nothing there.
PAPER := wavelet,contourlet,nsct,cnn,vgg16
SHOWN := Q_ABF,Q_W,VIFF,Q_CV,SSIM,VIF,MI,SF
# The methods of the leaderboard that are run, and its first run, whose pairs count.
BOARD := laplacian,gradient,morphological,dtcwt,nsct,nsst,nsst-papcnn,lp-sr,gff,mgff,hmsd-gf,structure-aware,msvd,dlf,zero-learning,cnn,vgg16
BOARD_KINDS := CT-MRI,PET-MRI,SPECT-MRI
FIRST := docs/leaderboard/field
PACKAGES := datasets fusers metrics bench reports

# Tests run in as many processes as there are cores, at most 4, each with one thread: threads that share a core wait for
# each other, and tests become ten times slower.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS := -n auto --maxprocesses 4

bench: .venv      ## fuse the pairs, score them, print the paper's tables
	.venv/bin/fusebench bench $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)") $(if $(PAIRS),--pairs $(PAIRS))

check: .venv      ## recompute the suite smoke and compare it with tests/record.csv
	.venv/bin/fusebench check

record: .venv     ## write tests/record.csv anew; the commit says why
	.venv/bin/fusebench record

test: lint types  ## everything that proves it, in minutes
	$(ONE_THREAD) .venv/bin/python -m pytest -q --durations=10 $(WORKERS)

test-all: lint types  ## the slow tests too
	$(ONE_THREAD) .venv/bin/python -m pytest -q -m "not perf" $(WORKERS)

lint: .venv
	.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: .venv
	mkdir -p build/types && ln -sfn ../.. build/types/fusebench
	MYPYPATH=build/types .venv/bin/mypy $(PACKAGES:%=-p fusebench.%)
	MYPYPATH=build/types:tests:tools .venv/bin/mypy tools

perf: .venv       ## timings, as ratios against a reference in the same run
	mkdir -p build/perf && .venv/bin/python -m pytest -q -p pytest_benchmark.plugin -m perf --benchmark-json build/perf/timings.json --benchmark-columns=min,mean,rounds tests/perf $(if $(ONLY),-k "$(ONLY)")
	.venv/bin/python tools/performance.py build/perf/timings.json build/perf

parity: .venv     ## write docs/parity.md anew; FUSEBENCH_SHARED names the folder of reference values
	PYTHONPATH=tests .venv/bin/python tools/parity.py docs/parity.md

reproduction: .venv ## what the paper's numbers measure, from pairs of CT and MRI in DATA=DIR; a night on 2 cores, minutes with ON="--device cuda"
	.venv/bin/python tools/reproduction.py "$(DATA)" $(ON)

processors: .venv ## write docs/processors.md anew: what other instruction sets make of the scores; 10 minutes
	PYTHONPATH=tests .venv/bin/python tools/processors.py docs/processors.md

train-multifocus: .venv  ## train the networks that judge focus anew, or ONLY=p-cnn: 10 minutes each on 2 cores, it tells the time left
	.venv/bin/python tools/train_multifocus.py $(ONLY)

train-latlrr: .venv  ## learn the projection of mdlatlrr anew: 2 minutes on one core
	.venv/bin/python tools/train_latlrr.py fusers/feature/latlrr.safetensors

train-csr: .venv     ## learn the filters of csr anew: 3 minutes on one core
	PYTHONPATH=tools .venv/bin/python tools/train_csr.py fusers/feature/csr.safetensors

train-sparse: .venv  ## learn the dictionary of the sparse rule anew: 3 minutes on one core
	.venv/bin/python tools/train_sparse.py fusers/rules/sparse.safetensors

readme: .venv     ## write docs/tables.md and its pictures anew, from runs on the embedded data and on REAL=DIR
	.venv/bin/fusebench bench --methods $(PAPER) --out build/readme
	$(if $(REAL),.venv/bin/fusebench bench --methods $(PAPER) --data "$(REAL)" --published --out build/real)
	.venv/bin/python tools/readme.py build/readme docs/tables.md $(if $(REAL),build/real)
	.venv/bin/python tools/screenshot.py build/readme/report.html docs/page.png

field: .venv      ## rank every method on twenty pairs of CT and MRI in DATA=DIR, docs/field.md; 20 minutes on 2 cores
	.venv/bin/fusebench bench field --data "$(DATA)" --kinds CT-MRI --pairs 20 --metrics $(SHOWN) --out build/field
	.venv/bin/python tools/readme.py field build/field docs/field.md

grid: .venv       ## every transform with every rule on five pairs of CT and MRI in DATA=DIR, docs/grid.md; 5 minutes on 2 cores
	.venv/bin/fusebench bench grid --data "$(DATA)" --kinds CT-MRI --pairs 5 --metrics Q_ABF,VIFF,Q_W,SSIM,SF --maps none --out build/grid
	.venv/bin/python tools/readme.py grid build/grid docs/grid.md

leaderboard: .venv ## docs/leaderboard.md from the runs in docs/leaderboard; with DATA=DIR RESULTS=DIR first its two runs, 10 minutes
	$(if $(DATA),.venv/bin/fusebench bench field --data "$(DATA)" --kinds $(BOARD_KINDS) --pairs 100 --external "$(RESULTS)" --methods $(BOARD) --metrics default --maps none --out build/board)
	$(if $(DATA),.venv/bin/fusebench score-dir "$(RESULTS)" --data "$(DATA)" --metrics default --maps none --out build/published || test $$? -eq 1)
	$(if $(DATA),mkdir -p $(FIRST) docs/leaderboard/published && cp build/board/scores.csv build/board/run.json $(FIRST))
	$(if $(DATA),cp build/published/scores.csv build/published/run.json build/published/failures.csv docs/leaderboard/published)
	.venv/bin/fusebench leaderboard $(FIRST) $(filter-out $(FIRST),$(wildcard docs/leaderboard/*)) --out docs

detectability: .venv ## what methods keep of lesions, docs/detectability.md; 15 minutes on 2 cores
	.venv/bin/fusebench detect --out docs/detectability.md

colour: .venv     ## what becomes of the colour of PET and SPECT over MRI in DATA=DIR, docs/colour.md; 10 minutes on 2 cores
	.venv/bin/fusebench bench colour --data "$(DATA)" --kinds PET-MRI,SPECT-MRI --pairs 10 --out build/colour
	.venv/bin/python tools/readme.py colour build/colour docs/colour.md

docs: .venv       ## the site, build/site/index.html; a broken link or reference is an error
	.venv/bin/sphinx-build -q -W --keep-going -E -b html docs build/site && echo "build/site/index.html"

setup:            ## create .venv and install; a failed installation leaves no .venv behind
	$(PYTHON) -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e '.[all,test,docs]' || { rm -rf .venv; exit 1; }

.venv:
	$(MAKE) setup

help:             ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/:/'

.PHONY: bench check record test test-all lint types perf docs parity reproduction field grid leaderboard detectability colour processors train-multifocus train-latlrr train-csr train-sparse readme setup help
