# The study is workflow/Snakefile; this file lets `snakemake` find it, and the profiles beside it.
include: "workflow/Snakefile"


# Snakemake forgets the default target of a file that is included.
workflow.default_target = "all"
