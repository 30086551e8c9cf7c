rule rank_dataset:
    """All label-free metrics of one model on one dataset (step 8).

    On the source also RankMe against the number of samples, once a model.
    """
    input:
        model=RUN.model,
        dataset=TREE.dataset("{dataset}") / DATASET,
    output:
        rank=EVALUATION.rank,
    log:
        "<logs>/rank_dataset/{method}/{hparams}/{dataset}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE.threads
    resources:
        **EVALUATION_PLACES,
        gpu=min(1, COMPUTE.gpus),
        turn=min(1, COMPUTE.gpus),
        mem_mb=memory,
        runtime=evaluation_time,
    params:
        rank=canonical(STUDY.rank),
        convergence=lambda wildcards: (
            "--convergence" if wildcards.dataset == STUDY.source else ""
        ),
    shell:
        "python {resources.scripts:q}/evaluate_rank.py --model {input.model:q} --dataset {input.dataset:q}"
        " --rank {params.rank:q} {params.convergence} --device {resources.device}"
        " --output {output.rank:q} > {log:q} 2>&1"


rule rankme:
    """The ranks of one model on its source and all targets in one file (steps 8 and 9)."""
    input:
        model=RUN.model,
        ranks=[RUN.dataset(name).rank for name in STUDY.evaluation_datasets],
    output:
        ranks=RUN.ranks,
    log:
        "<logs>/rankme/{method}/{hparams}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    resources:
        **EVALUATION_PLACES,
        mem_mb=1000,
        runtime=evaluation_time,
    shell:
        "python {resources.scripts:q}/merge_ranks.py --model {input.model:q} --ranks {input.ranks:q}"
        " --output {output.ranks:q} > {log:q} 2>&1"
