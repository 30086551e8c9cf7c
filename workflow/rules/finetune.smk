rule finetune:
    """New heads on the frozen encoder, trained on one dataset (steps 10 to 13).

    Model and images are read again where the heads are trained on augmented images.
    """
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
        model="<results>/all_results/{method}/{hparams}/PRETRAINED_MODEL",
        dataset="<results>/datasets/{dataset}/DATASET",
    output:
        model="<results>/all_results/{method}/{hparams}/{dataset}/FINETUNED_MODEL",
    log:
        "<logs>/finetune/{method}/{hparams}/{dataset}.log",
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
    params:
        probe=json.dumps(STUDY["probe"]),
    shell:
        "python scripts/finetune.py --features {input.features:q} --probe {params.probe:q}"
        " --model {input.model:q} --dataset {input.dataset:q} --device {resources.device}"
        " --output {output.model:q} > {log:q} 2>&1"


rule accuracy:
    """Accuracy of these heads on test images that nothing has seen (steps 14 and 15)."""
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
        head="<results>/all_results/{method}/{hparams}/{dataset}/FINETUNED_MODEL",
    output:
        accuracy="<results>/all_results/{method}/{hparams}/{dataset}/ACCURACY",
    log:
        "<logs>/accuracy/{method}/{hparams}/{dataset}.log",
    group:
        "evaluate-{method}-{hparams}"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE["threads"]
    resources:
        **EVALUATION,
        mem_mb=2000,
        runtime=evaluation_time,
    shell:
        "python scripts/evaluate_accuracy.py --features {input.features:q} --head {input.head:q}"
        " --output {output.accuracy:q} > {log:q} 2>&1"
