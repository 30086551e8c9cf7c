"""The probe's protocols in the workflow, which gives a program what it needs for either."""

import json

from rankme.artefacts import read_metadata
from rankme.probes.classifier import load_classifier


def test_heads_are_trained_on_augmented_images_by_a_key_of_the_config(finished) -> None:
    def change(config: dict) -> None:
        config["probe"].update(protocol="augmented", readouts=["linear", "mlp"])
        config["methods"][0]["sweeps"]["temperature"] = [0.1]
        config["targets"] = []

    finished.configure(change)
    assert finished.planned("--until", "accuracy") == {"finetune": 1, "accuracy": 1}
    finished.snakemake("--until", "accuracy")
    (run,) = [run for run in finished.runs() if "temperature=0.1" in run.name]
    head = run / "little-shapes/FINETUNED_MODEL"
    assert read_metadata(head, "FINETUNED_MODEL")["probe"]["protocol"] == "augmented"
    accuracy = json.loads((run / "little-shapes/ACCURACY").read_text())
    assert list(accuracy["readouts"]) == ["mlp"]
    assert load_classifier(head).classes == list(accuracy["per_class"])
