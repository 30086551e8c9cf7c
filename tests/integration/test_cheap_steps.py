"""Steps that only read numbers start in a fraction of a second: they never load torch."""

import shutil

from tests.integration.conftest import FIGURE


def test_after_training_ranks_and_heads_none_needs_torch(finished, tmp_path, monkeypatch) -> None:
    finished.configure(lambda config: config["methods"][0].pop("sweeps"))
    finished.configure(lambda config: config.update(targets=[]))
    (run,) = [run for run in finished.runs() if "temperature=0.1" in run.name]
    (run / "RANKME_EVAL").unlink()
    (run / "little-shapes/ACCURACY").unlink()
    shutil.rmtree(finished.path / "results/plots")
    finished.snakemake("--notemp", "--until", "finetune")  # its features are left
    left = set(finished.planned())
    assert left == {"rankme", "accuracy", "record_study", "collect", "analyse", "plot"}

    poison = tmp_path / "poison" / "torch"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise ImportError('a cheap step has loaded torch')\n")
    monkeypatch.setenv("PYTHONPATH", str(poison.parent))
    finished.run()
    assert (finished.path / FIGURE).exists()
