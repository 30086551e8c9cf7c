rule record_study:
    """The study as its programs read it: a config of all that decides a result."""
    input:
        template=os.path.relpath(HOME / "workflow/STUDY.jinja"),
    output:
        study=FILES.record,
    log:
        f"<logs>/{STUDY.study}/record_study.log",
    localrule: True
    params:
        study=json.dumps(STUDY.record(), indent=1, sort_keys=True),
    template_engine:
        "jinja2"


rule collect:
    """All results in one table, a row for each run and dataset, and all curves (step 17)."""
    input:
        study=FILES.record,
        ranks=for_all_runs("ranks"),
        logs=for_all_runs("log"),
        accuracies=accuracies,
        code=code(
            "../collect_results.py",
            "analysis/*.py",
            "metrics/*.py",
            *READING,
        ),
    output:
        table=report(
            FILES.tables / "results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"table": "all runs and datasets"},
        ),
        training=FILES.tables / "training.csv",
        spectra=FILES.tables / "spectra.csv",
        convergence=FILES.tables / "convergence.csv",
    log:
        f"<logs>/{STUDY.study}/collect.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        **PLACES,
    params:
        folder=subpath(output.table, parent=True),
    shell:
        "python {resources.scripts:q}/collect_results.py --study {input.study:q} --results {resources.results:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule analyse:
    """Statistics, claims, and the run to use without labels (step 18)."""
    input:
        results=FILES.tables / "results.csv",
        convergence=FILES.tables / "convergence.csv",
        code=code("../analyse.py", "analysis/*.py", "metrics/*.py", *READING),
    output:
        answer=FILES.answer,
        tables=[
            report(
                FILES.tables / f"{table}.csv",
                caption=f"../report/{table}.rst",
                category="Tables",
                labels={"table": table},
            )
            for table in (
                "claims",
                "correlations",
                "selection",
                "selected",
                "variance",
            )
        ],
    log:
        f"<logs>/{STUDY.study}/analyse.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        **PLACES,
    params:
        folder=subpath(output.answer, parent=True),
    shell:
        "python {resources.scripts:q}/analyse.py --results {input.results:q}"
        " --convergence {input.convergence:q} --tree {resources.results:q} --output {params.folder:q}"
        " > {log:q} 2>&1"


rule plot:
    """The study's figures, as PDF and PNG, and one to point at (step 18)."""
    input:
        results=FILES.tables / "results.csv",
        tables=[
            FILES.tables / f"{table}.csv"
            for table in (
                "correlations",
                "selection",
                "training",
                "spectra",
                "convergence",
            )
        ],
        code=code(
            "../plot.py",
            "analysis/*.py",
            "plots/*.py",
            "plots/*.html",
            "metrics/*.py",
            "plugins.py",
            *READING,
        ),
    output:
        pdf=[FILES.plots / f"{figure}.pdf" for figure in FIGURES],
        png=[
            report(
                FILES.plots / f"{figure}.png",
                caption=caption(figure),
                category="Figures",
                labels={"figure": title},
            )
            for figure, title in FIGURES.items()
        ],
        page=report(
            FILES.plots / "rank_vs_acc.html",
            caption="../report/interactive.rst",
            category="Figures",
            labels={"figure": "accuracy against RankMe, to point at"},
        ),
    log:
        f"<logs>/{STUDY.study}/plot.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    resources:
        **PLACES,
    params:
        tables=subpath(input.results, parent=True),
        folder=subpath(output.page, parent=True),
        # What the captions state.
        runs=len(RUNS),
        study=f"{STUDY.study}, digest {DIGEST}",
    shell:
        "python {resources.scripts:q}/plot.py --tables {params.tables:q} --output {params.folder:q}"
        " > {log:q} 2>&1"
