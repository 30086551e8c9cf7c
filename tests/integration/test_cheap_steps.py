"""Steps that only read numbers start in a fraction of a second: they never load torch."""


def test_after_training_and_probing_no_step_needs_torch(fresh, tmp_path, monkeypatch) -> None:
    fresh.configure(lambda config: config["methods"][0].pop("sweeps"))
    fresh.configure(lambda config: config.update(targets=[]))
    fresh.snakemake("--notemp", "--until", "finetune")
    left = set(fresh.planned())
    assert {"rank_dataset", "rankme", "accuracy", "collect"} <= left
    assert not left & {"pretrain", "extract_features", "finetune"}

    poison = tmp_path / "poison" / "torch"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise ImportError('a cheap step has loaded torch')\n")
    monkeypatch.setenv("PYTHONPATH", str(poison.parent))
    fresh.run()
    assert (fresh.path / "results/plots/rank_vs_acc.pdf").exists()
