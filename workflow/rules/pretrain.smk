rule pretrain:
    """One encoder with its projector, trained without labels (steps 4 to 6).

    Its code is not an input: weeks of training must not fall to an edited comment. The file names
    the code that made it, and `make stale` lists results of other code.
    """
    input:
        dataset=TREE.dataset(STUDY.source) / DATASET,
    output:
        model=RUN.model,
        log=RUN.log,
    log:
        "<logs>/pretrain/{method}/{hparams}.log",
    benchmark:
        "<benchmarks>/pretrain/{method}/{hparams}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: COMPUTE.threads * COMPUTE.processes_a_node
    resources:
        **PLACES,
        **COMPUTE.node_resources(),
        device=COMPUTE.device,
        gpu=COMPUTE.gpus * COMPUTE.nodes,
        turn=min(1, COMPUTE.gpus),
        gpu_model=COMPUTE.gpu_kind,
        machines=COMPUTE.nodes,
        processes=COMPUTE.processes_a_node,
        mem_mb=memory,
        runtime=training_time,
    params:
        run=run_settings,
    shell:
        "python {resources.scripts:q}/launch.py --nodes {resources.machines}"
        " --processes {resources.processes} {resources.scripts:q}/pretrain.py --run {params.run:q}"
        " --dataset {input.dataset:q} --device {resources.device} --output {output.model:q}"
        " > {log:q} 2>&1"
