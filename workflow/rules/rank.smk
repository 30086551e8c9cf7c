rule extract_features:
    """Representations and embeddings of one dataset, read by the rank and by the probe.

    Of all images as they are, and of augmented views of some.
    """
    input:
        model="<results>/all_results/{method}/{hparams}/PRETRAINED_MODEL",
        dataset="<results>/datasets/{dataset}/DATASET",
    output:
        features=temp(
            directory("<results>/all_results/{method}/{hparams}/{dataset}/FEATURES")
        ),
    log:
        "<logs>/extract_features/{method}/{hparams}/{dataset}.log",
    conda:
        "../../envs/environment.yaml"
    threads: STUDY["compute"]["threads"]
    resources:
        device=STUDY["compute"]["device"],
        gpu=STUDY["compute"]["gpus"],
        mem_mb=memory,
        runtime=60,
    params:
        rank=json.dumps(
            {key: STUDY["rank"][key] for key in ("lidar_images", "lidar_views")}
        ),
    shell:
        "python scripts/extract_features.py --model {input.model:q} --dataset {input.dataset:q}"
        " --rank {params.rank:q} --device {resources.device} --output {output.features:q}"
        " > {log:q} 2>&1"


rule rank_dataset:
    """All label-free metrics of one model on one dataset (step 8).

    On the source also RankMe against the number of samples, once a model.
    """
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
    output:
        rank="<results>/all_results/{method}/{hparams}/{dataset}/RANK",
    log:
        "<logs>/rank_dataset/{method}/{hparams}/{dataset}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory,
        runtime=120,
    params:
        rank=json.dumps(STUDY["rank"]),
        convergence=lambda wildcards: (
            "--convergence" if wildcards.dataset == STUDY["source"] else ""
        ),
    shell:
        "python scripts/evaluate_rank.py --features {input.features:q} --rank {params.rank:q}"
        " {params.convergence} --output {output.rank:q} > {log:q} 2>&1"


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
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python scripts/merge_ranks.py --model {input.model:q} --ranks {input.ranks:q}"
        " --output {output.ranks:q} > {log:q} 2>&1"
