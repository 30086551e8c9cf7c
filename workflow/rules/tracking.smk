rule publish:
    """Every run, table and figure in an MLflow store: the local one, or a remote one (step 16).

    The address of a store may hold a password, so it reaches the program in its environment: what
    stands in `params` or in the command is kept by Snakemake, and shown.
    """
    input:
        results=rules.results.input,
        script="scripts/publish.py",
        code=code("tracking/*.py"),
    output:
        published="<results>/tracking/PUBLISHED",
    log:
        "<logs>/publish.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    threads: 4
    params:
        study=json.dumps(STUDY),
        models="--models" if TRACKING["models"] else "",
        destination=destination.fingerprint(os.environ.get(destination.URI, "")),
    shell:
        "python {input.script} --study {params.study:q} {params.models}"
        " --workers {threads} --output {output.published:q} > {log:q} 2>&1"
