rule finetune:
    """A new linear head on the frozen encoder, trained on one dataset (steps 10 to 13)."""
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
    output:
        model="<results>/all_results/{method}/{hparams}/{dataset}/FINETUNED_MODEL",
    log:
        "<logs>/finetune/{method}/{hparams}/{dataset}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        probe=json.dumps(STUDY["probe"]),
    shell:
        "python scripts/finetune.py --features {input.features:q} --probe {params.probe:q}"
        " --output {output.model:q} > {log} 2>&1"


rule accuracy:
    """Accuracy of one head on test images that nothing has seen (steps 14 and 15)."""
    input:
        features="<results>/all_results/{method}/{hparams}/{dataset}/FEATURES",
        head="<results>/all_results/{method}/{hparams}/{dataset}/FINETUNED_MODEL",
    output:
        accuracy="<results>/all_results/{method}/{hparams}/{dataset}/ACCURACY",
    log:
        "<logs>/accuracy/{method}/{hparams}/{dataset}.log",
    conda:
        "../../envs/environment.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "python scripts/evaluate_accuracy.py --features {input.features:q} --head {input.head:q}"
        " --output {output.accuracy:q} > {log} 2>&1"
