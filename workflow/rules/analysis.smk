rule collect:
    """All results in one table, a row for each run and dataset (step 17)."""
    input:
        ranks=for_all_runs("<results>/all_results/{method}/{hparams}/RANKME_EVAL"),
        accuracies=for_all_runs(
            "<results>/all_results/{method}/{hparams}/{dataset}/ACCURACY"
        ),
        script="scripts/collect_results.py",
        code=code("analysis/collect.py", "analysis/tables.py"),
    output:
        table="<results>/tables/results.csv",
    log:
        "<logs>/collect.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        study=json.dumps(STUDY),
    shell:
        "python {input.script} --study {params.study:q} --output {output.table:q} > {log:q} 2>&1"


rule analyse:
    """Correlations, and what selecting by RankMe costs against selecting with labels (step 18)."""
    input:
        results="<results>/tables/results.csv",
        script="scripts/analyse.py",
        code=code("analysis/*.py"),
    output:
        correlations=report(
            "<results>/tables/correlations.csv",
            caption="../report/correlations.rst",
            category="Tables",
            labels={"table": "correlations"},
        ),
        selection=report(
            "<results>/tables/selection.csv",
            caption="../report/selection.rst",
            category="Tables",
            labels={"table": "selection"},
        ),
    log:
        "<logs>/analyse.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    shell:
        "python {input.script} --results {input.results:q}"
        " --correlations {output.correlations:q} --selection {output.selection:q} > {log:q} 2>&1"


rule plot_rank_vs_acc:
    """The study's figure: accuracy with labels against RankMe without (step 18)."""
    input:
        results="<results>/tables/results.csv",
        correlations="<results>/tables/correlations.csv",
        selection="<results>/tables/selection.csv",
        script="scripts/plot_rank_vs_acc.py",
        code=code("analysis/*.py", "plots/*.py"),
    output:
        pdf="<results>/plots/rank_vs_acc.pdf",
        png=report(
            "<results>/plots/rank_vs_acc.png",
            caption="../report/rank_vs_acc.rst",
            category="Figures",
            labels={"figure": "accuracy against RankMe"},
        ),
    log:
        "<logs>/plot_rank_vs_acc.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    shell:
        "python {input.script} --results {input.results:q} --correlations {input.correlations:q}"
        " --selection {input.selection:q} --output {output.pdf:q} > {log:q} 2>&1"
