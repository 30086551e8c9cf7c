rule prepare_dataset:
    """A dataset decoded once into arrays that all runs share (steps 3 and 7).

    Before all else: what is wrong with a dataset is told before an hour of training is spent.
    """
    output:
        manifest="<results>/datasets/{dataset}/DATASET",
        arrays=expand(
            "<results>/datasets/{{dataset}}/{split}_{part}.npy",
            split=["train", "test"],
            part=["images", "labels"],
        ),
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 32
    priority: 1
    resources:
        declarations=STUDY["declarations"],
        mem_mb=2000,
        runtime=240,
    params:
        declaration=declaration,
        folder=subpath(output.manifest, parent=True),
    shell:
        "python scripts/prepare_dataset.py --name {wildcards.dataset}"
        " --datasets {resources.declarations:q} --workers {threads}"
        " --output {params.folder:q} > {log:q} 2>&1"
