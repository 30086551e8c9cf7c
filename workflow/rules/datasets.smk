rule prepare_dataset:
    """A dataset decoded once into arrays that all runs share (steps 3 and 7).

    Before all else: what is wrong with a dataset is told before an hour of training is spent.
    """
    output:
        manifest=TREE.dataset("{dataset}") / DATASET,
        arrays=expand(
            f"{TREE.dataset('{{dataset}}')}/{{split}}_{{part}}.npy",
            split=["train", "test"],
            part=["images", "labels"],
        ),
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.tsv"
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: 32
    resources:
        **PLACES,
        declaration=whole_declaration,
        mem_mb=2000,
        runtime=240,
    params:
        declaration=declaration,
        folder=subpath(output.manifest, parent=True),
    shell:
        "python {resources.scripts:q}/prepare_dataset.py --name {wildcards.dataset}"
        " --declaration {resources.declaration:q} --workers {threads}"
        " --output {params.folder:q} > {log:q} 2>&1"
