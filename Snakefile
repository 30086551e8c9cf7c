"""Does RankMe pick the right encoder? `snakemake results/plots/rank_vs_acc.pdf`

config -> study -> runs -> targets. Each run is pretrained, ranked without labels, and probed with
labels on its source and on every target; the tables and the figure compare the two.
"""

from snakemake.utils import min_version

min_version("9.27")


# A study is one file: one given by --configfile replaces the default study as a whole.
if not workflow.configfiles:

    configfile: "config/config.yaml"


pathvars:
    results="results",
    logs="logs",
    benchmarks="<results>/benchmarks",


report: "workflow/report/workflow.rst"


# Used with `--software-deployment-method apptainer` only; docs/cluster.md says how it is built.
container: "envs/rankme.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/rank.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/analysis.smk"


rule results:
    """All tables and figures, and with them every result."""
    input:
        rules.collect.output,
        rules.analyse.output,
        rules.plot.output,


include: "workflow/rules/tracking.smk"


rule all:
    default_target: True
    input:
        rules.results.input,
        rules.publish.output if TRACKING["enabled"] else [],


# The answer in plain sentences, as the last lines on the terminal.
onsuccess:
    show_answer()
