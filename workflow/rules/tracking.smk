rule publish:
    """Every run, table and figure in an MLflow store: the local one, or a remote one (step 16).

    The address of a store may hold a password, so it reaches the program in its environment: what
    stands in `params` or in the command is kept by Snakemake, and shown.
    """
    input:
        study=FILES.record,
        results=rules.results.input,
        code=code("../publish.py", "tracking/*.py", *READING),
    output:
        published=FILES.published,
    log:
        f"<logs>/{STUDY.study}/publish.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    threads: 4
    resources:
        **PLACES,
    params:
        models="--models" if STUDY.tracking.models else "",
        destination=destination.fingerprint(os.environ.get(destination.URI, "")),
    shell:
        "python {resources.scripts:q}/publish.py --study {input.study:q} --results {resources.results:q}"
        " {params.models} --workers {threads} --output {output.published:q} > {log:q} 2>&1"
