rule pretrain:
    """One encoder with its projector, trained without labels (steps 4 to 6).

    Its code is not an input: weeks of training must not fall to an edited comment. The file names
    the code that made it, and `make stale` lists results of other code.
    """
    input:
        dataset=f"<results>/datasets/{STUDY['source']}/DATASET",
    output:
        model="<results>/all_results/{method}/{hparams}/PRETRAINED_MODEL",
        log="<results>/all_results/{method}/{hparams}/TRAINING_LOG",
    log:
        "<logs>/pretrain/{method}/{hparams}.log",
    benchmark:
        "<benchmarks>/pretrain/{method}/{hparams}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE["threads"] * study.processes(COMPUTE)
    resources:
        **NODES,
        device=COMPUTE["device"],
        gpu=COMPUTE["gpus"] * COMPUTE["nodes"],
        turn=min(1, COMPUTE["gpus"]),
        gpu_model=COMPUTE["gpu_kind"],
        machines=COMPUTE["nodes"],
        processes=study.processes(COMPUTE),
        mem_mb=memory,
        runtime=training_time,
    params:
        run=run_settings,
    shell:
        "python scripts/launch.py --nodes {resources.machines} --processes {resources.processes}"
        " scripts/pretrain.py --run {params.run:q} --dataset {input.dataset:q}"
        " --device {resources.device} --output {output.model:q} > {log:q} 2>&1"
