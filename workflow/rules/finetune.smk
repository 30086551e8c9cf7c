rule finetune:
    """New heads on the frozen encoder, trained on one dataset (steps 10 to 13).

    The features that it extracts for that are left for the next step, and removed after it.
    """
    input:
        model=RUN.model,
        dataset=TREE.dataset("{dataset}") / DATASET,
    output:
        model=EVALUATION.head,
        features=temp(directory(EVALUATION.features)),
    log:
        "<logs>/finetune/{method}/{hparams}/{dataset}.log",
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
        probe=canonical(STUDY.probe),
    shell:
        "python {resources.scripts:q}/finetune.py --model {input.model:q} --dataset {input.dataset:q}"
        " --probe {params.probe:q} --device {resources.device}"
        " --features {output.features:q} --output {output.model:q} > {log:q} 2>&1"


rule accuracy:
    """Accuracy of these heads on test images that nothing has seen (steps 14 and 15)."""
    input:
        features=EVALUATION.features,
        head=EVALUATION.head,
    output:
        accuracy=EVALUATION.accuracy,
    log:
        "<logs>/accuracy/{method}/{hparams}/{dataset}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE.threads
    resources:
        **EVALUATION_PLACES,
        mem_mb=2000,
        runtime=evaluation_time,
    shell:
        "python {resources.scripts:q}/evaluate_accuracy.py --features {input.features:q}"
        " --head {input.head:q} --output {output.accuracy:q} > {log:q} 2>&1"
