"""Bad input that the whole workflow meets: a clear line, and no file that looks finished."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
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
    model, rank = run / "PRETRAINED_MODEL", run / "little-shapes/RANK"
    model.write_bytes(model.read_bytes()[:-100])
    done = finished.snakemake(str(rank.relative_to(finished.path)), check=False)
    assert done.returncode != 0
    assert "PRETRAINED_MODEL: is not a whole safetensors file" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not rank.exists()


def cut_off(run: Path) -> None:
    record = run / "RANKME_EVAL"
    record.write_text(record.read_text()[:-20] + "oops")


def put_another_kind_there(run: Path) -> None:
    (run / "little-shapes/ACCURACY").write_bytes((run / "RANKME_EVAL").read_bytes())


def write_a_word_for_a_number(run: Path) -> None:
    record = run / "RANKME_EVAL"
    content = json.loads(record.read_text())
    content["datasets"]["little-shapes"]["embedding"]["rankme"] = "high"
    record.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "RANKME_EVAL: is not valid JSON"),
        (put_another_kind_there, "ACCURACY: is a RANKME_EVAL of format 1, expected a ACCURACY"),
        (write_a_word_for_a_number, "embedding.rankme is 'high', expected a number"),
    ],
    ids=["cut off", "foreign", "wrong type"],
)
def test_a_damaged_record_is_named(finished, damage: Callable[[Path], None], message: str) -> None:
    run = finished.runs()[0]
    damage(run)
    done = finished.snakemake(check=False)
    told = done.stderr + done.stdout
    assert done.returncode != 0
    assert message in told
    assert run.name in told
    assert "Traceback" not in told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, of which 4 are left."""
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
    (folder / "filler").write_bytes(b"x" * 60 * 1024)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_no_file_that_looks_finished(finished, small_disk) -> None:
    model = finished.runs()[0] / "PRETRAINED_MODEL"
    source = "results/datasets/little-shapes/DATASET"
    features = ("scripts/finetune.py", f"--model={model}", f"--dataset={source}", "--device=cpu")
    trained = ("scripts/pretrain.py", "--config=config/config.yaml", "--method=SimCLR")
    for program in (
        (*features, f"--features={small_disk / 'FEATURES'}", f"--output={small_disk / 'HEAD'}"),
        (*trained, "--source=little-shapes", f"--output={small_disk / 'MODEL'}"),
    ):
        done = finished.python(*program, check=False)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
    for name in ("FEATURES/features.json", "HEAD", "MODEL"):
        assert not (small_disk / name).exists()
