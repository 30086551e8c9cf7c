rule extract_features:
    """Representations and embeddings of one dataset, read by the rank and by the probe."""
    input:
        model="<results>/all_results/{method}/{hparams}/PRETRAINED_MODEL",
        dataset="<results>/datasets/{dataset}/DATASET",
    output:
        features=temp(
            directory("<results>/all_results/{method}/{hparams}/{dataset}/FEATURES")
        ),
    log:
        "<logs>/extract_features/{method}/{hparams}/{dataset}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE["threads"]
    resources:
        **EVALUATION,
        gpu=min(1, COMPUTE["gpus"]),
        turn=min(1, COMPUTE["gpus"]),
        mem_mb=memory,
        runtime=evaluation_time,
    shell:
        "python scripts/extract_features.py --model {input.model:q} --dataset {input.dataset:q}"
        " --device {resources.device} --output {output.features:q} > {log:q} 2>&1"


rule rank_dataset:
    """Singular values and RankMe of one model on one dataset, without labels."""
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
    output:
        rank="<results>/all_results/{method}/{hparams}/{dataset}/RANK",
    log:
        "<logs>/rank_dataset/{method}/{hparams}/{dataset}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    resources:
        **EVALUATION,
        mem_mb=2000,
        runtime=evaluation_time,
    params:
        samples=STUDY["rank"]["samples"],
        eps=STUDY["rank"]["eps"],
    shell:
        "python scripts/evaluate_rank.py --features {input.features:q} --samples {params.samples}"
        " --eps {params.eps} --output {output.rank:q} > {log:q} 2>&1"


rule rankme:
    """The ranks of one model on its source and all targets in one file (steps 8 and 9)."""
    input:
        model="<results>/all_results/{method}/{hparams}/PRETRAINED_MODEL",
        ranks=expand(
            "<results>/all_results/{{method}}/{{hparams}}/{dataset}/RANK",
            dataset=DATASETS,
        ),
    output:
        ranks="<results>/all_results/{method}/{hparams}/RANKME_EVAL",
    log:
        "<logs>/rankme/{method}/{hparams}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    resources:
        **EVALUATION,
        mem_mb=1000,
        runtime=evaluation_time,
    shell:
        "python scripts/merge_ranks.py --model {input.model:q} --ranks {input.ranks:q}"
        " --output {output.ranks:q} > {log:q} 2>&1"
