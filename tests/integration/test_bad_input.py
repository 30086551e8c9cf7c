"""Bad input that the whole workflow meets: a clear line, and no file that looks finished."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def test_a_bad_config_stops_before_any_job_with_one_line(fresh) -> None:
    fresh.configure(lambda c: c["methods"][0].update(name="SimCRL"))
    done = fresh.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "methods[0].name: 'SimCRL' is not known, did you mean 'SimCLR'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh.path / "results/datasets").exists()


def test_a_key_that_stands_twice_in_a_config_is_told(fresh) -> None:
    config = fresh.path / "config/config.yaml"
    config.write_text(config.read_text() + "source: little-textures\n")
    done = fresh.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "config.yaml: is not valid YAML (the key 'source' stands there twice" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_truncated_model_is_named_and_nothing_is_made_of_it(finished) -> None:
    run = finished.runs()[0]
    model, features = run / "PRETRAINED_MODEL", run / "little-shapes/FEATURES"
    model.write_bytes(model.read_bytes()[:-100])
    done = finished.snakemake(str(features.relative_to(finished.path)), check=False)
    assert done.returncode != 0
    assert "PRETRAINED_MODEL: is not a whole safetensors file" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not features.exists()


def test_a_record_edited_into_invalid_json_is_named(finished) -> None:
    record = finished.runs()[0] / "RANKME_EVAL"
    record.write_text(record.read_text()[:-20] + "oops")
    done = finished.snakemake(check=False)
    assert done.returncode != 0
    assert f"{record.parent.name}/RANKME_EVAL: is not valid JSON" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_foreign_file_in_place_of_a_result_is_named(finished) -> None:
    run = finished.runs()[0]
    accuracy = run / "little-shapes/ACCURACY"
    accuracy.write_bytes((run / "RANKME_EVAL").read_bytes())
    done = finished.snakemake(check=False)
    assert (
        "ACCURACY: is a RANKME_EVAL of format 1, expected a ACCURACY" in done.stderr + done.stdout
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    if not mounted and "CI" in os.environ:
        pytest.fail(
            "a small tmpfs cannot be mounted, and continuous integration must run this test"
        )
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_no_file_that_looks_finished(finished, small_disk) -> None:
    (small_disk / "filler").write_bytes(b"x" * 40_000)
    run = finished.runs()[0]
    done = finished.python(
        "scripts/extract_features.py",
        f"--model={run / 'PRETRAINED_MODEL'}",
        "--dataset=results/datasets/little-shapes/DATASET",
        "--device=cpu",
        f"--output={small_disk / 'FEATURES'}",
        check=False,
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (small_disk / "FEATURES/features.json").exists()


def test_a_model_that_does_not_fit_on_the_disk_is_not_written(finished, small_disk) -> None:
    output = small_disk / "PRETRAINED_MODEL"
    done = finished.python(
        "scripts/pretrain.py",
        "--config=config/config.yaml",
        "--method=SimCLR",
        "--source=little-shapes",
        f"--output={output}",
        check=False,
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
