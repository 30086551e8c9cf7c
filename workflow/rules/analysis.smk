FIGURES = {
    "rank_vs_acc": "accuracy against RankMe",
    "metric_comparison": "label-free metrics compared",
    "selection_regret": "what choosing without labels costs",
    "rank_source_vs_target": "RankMe on source and targets",
    "rank_over_training": "RankMe while training",
    "training_curves": "loss while training",
    "spectra": "singular values",
    "sample_size_convergence": "RankMe against sample size",
}


rule collect:
    """All results in one table, a row for each run and dataset (step 17)."""
    input:
        ranks=for_all_runs("<results>/all_results/{method}/{hparams}/RANKME_EVAL"),
        accuracies=for_all_runs(
            "<results>/all_results/{method}/{hparams}/{dataset}/ACCURACY"
        ),
        script="scripts/collect_results.py",
        code=code(
            "analysis/collect.py",
            "analysis/tables.py",
            "metrics/registry.py",
            "tracking/destination.py",
            *READING,
        ),
        study="workflow/study.py",
    output:
        table=report(
            "<results>/tables/results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"table": "all runs and datasets"},
        ),
    log:
        "<logs>/collect.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=json.dumps(STUDY),
    shell:
        "python {input.script} --study {params.study:q} --output {output.table:q} > {log:q} 2>&1"


rule collect_curves:
    """Training curves, spectra and sample sizes of all runs, as tables."""
    input:
        ranks=for_all_runs("<results>/all_results/{method}/{hparams}/RANKME_EVAL"),
        logs=for_all_runs("<results>/all_results/{method}/{hparams}/TRAINING_LOG"),
        script="scripts/collect_curves.py",
        code=code("analysis/curves.py", "analysis/tables.py", *READING),
        study="workflow/study.py",
    output:
        training="<results>/tables/training.csv",
        spectra="<results>/tables/spectra.csv",
        convergence="<results>/tables/convergence.csv",
    log:
        "<logs>/collect_curves.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=json.dumps(STUDY),
        folder=subpath(output.training, parent=True),
    shell:
        "python {input.script} --study {params.study:q} --output {params.folder:q} > {log:q} 2>&1"


rule analyse:
    """Statistics, claims, and the run to use without labels (step 18)."""
    input:
        results="<results>/tables/results.csv",
        convergence="<results>/tables/convergence.csv",
        script="scripts/analyse.py",
        code=code("analysis/*.py", "metrics/registry.py", *READING),
    output:
        answer="<results>/tables/answer.rst",
        tables=[
            report(
                f"<results>/tables/{table}.csv",
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
        "<logs>/analyse.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        folder=subpath(output.answer, parent=True),
    shell:
        "python {input.script} --results {input.results:q} --convergence {input.convergence:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule plot:
    """The study's figures, as PDF and PNG, and one to point at (step 18)."""
    input:
        results="<results>/tables/results.csv",
        tables=expand(
            "<results>/tables/{table}.csv",
            table=[
                "correlations",
                "selection",
                "training",
                "spectra",
                "convergence",
            ],
        ),
        script="scripts/plot.py",
        code=code("analysis/*.py", "plots/*", "metrics/registry.py", *READING),
    output:
        pdf=[f"<results>/plots/{figure}.pdf" for figure in FIGURES],
        png=[
            report(
                f"<results>/plots/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                labels={"figure": title},
            )
            for figure, title in FIGURES.items()
        ],
        page=report(
            "<results>/plots/rank_vs_acc.html",
            caption="../report/interactive.rst",
            category="Figures",
            labels={"figure": "accuracy against RankMe, to point at"},
        ),
    log:
        "<logs>/plot.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        tables=subpath(input.results, parent=True),
        folder=subpath(output.page, parent=True),
        # What the captions state.
        runs=len(RUNS),
        study=json.dumps(
            {key: STUDY[key] for key in ("source", "targets", "rank", "training")}
        ),
    shell:
        "python {input.script} --tables {params.tables:q} --output {params.folder:q} > {log:q} 2>&1"
