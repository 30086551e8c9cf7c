"""Readers of published sets, on small trees in the real layout and the real annotation formats."""

import json
import os
import urllib.request
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from scipy.io import savemat

from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.errors import UserError
from rankme.study.datasets import Catalogue
from tests.rankme.data.pictures import labelled, photo, read


def write_images(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        photo(seed).save(root / name)


def write(path: Path, content: Any) -> str:
    """Write text, a .mat or a .json file, and return its MD5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mat":
        savemat(path, content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return md5(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(*_: object, **__: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def test_food101_takes_its_split_from_the_meta_files_and_names_damaged_ones(tmp_path: Path) -> None:
    base = tmp_path / "food-101"
    train = {"waffles": ["waffles/3", "waffles/1"], "apple_pie": ["apple_pie/7"]}
    test = {"apple_pie": ["apple_pie/8"], "waffles": ["waffles/2"]}
    for name, content in (("train", train), ("test", test)):
        write(base / "meta" / f"{name}.json", content)
        write_images(base, *(f"images/{f}.jpg" for group in content.values() for f in group))
    raw = read("food101", tmp_path)
    assert raw.classes == ["apple_pie", "waffles"]
    assert labelled(raw, base / "images") == {
        "train": {"apple_pie/7.jpg": 0, "waffles/1.jpg": 1, "waffles/3.jpg": 1},
        "test": {"apple_pie/8.jpg": 0, "waffles/2.jpg": 1},
    }
    write(base / "meta" / "test.json", {"waffles": ["waffles/2"]})
    with pytest.raises(UserError, match="same classes, but 1 are in one only: apple_pie"):
        read("food101", tmp_path)
    write(base / "meta" / "train.json", "{")
    with pytest.raises(UserError, match=r"cannot be read as .* damaged of: .*meta/train\.json"):
        read("food101", tmp_path)
    (base / "meta" / "test.json").unlink()
    with pytest.raises(UserError, match=r"is not there .* put there: food-101/meta/test\.json"):
        read("food101", tmp_path)


def test_stanford_cars_takes_labels_from_its_devkit(tmp_path: Path) -> None:
    base = tmp_path / "stanford_cars"
    names = np.array([f"Car {number} 2012" for number in range(1, 197)], dtype=object)
    write(base / "devkit" / "cars_meta.mat", {"class_names": names})
    box = [(f"bbox_{side}", "f8") for side in ("x1", "y1", "x2", "y2")]
    for path, labels in (
        ("devkit/cars_train_annos.mat", (14, 196)),
        ("cars_test_annos_withlabels.mat", (1, 181)),
    ):
        annotations = np.zeros(2, dtype=[*box, ("class", "u1"), ("fname", "O")])
        annotations["class"], annotations["fname"] = labels, ("00001.jpg", "00002.jpg")
        write(base / path, {"annotations": annotations})
    write_images(base, *(f"cars_{s}/0000{i}.jpg" for s in ("train", "test") for i in (1, 2)))
    raw = read("stanford_cars", tmp_path)
    assert len(raw.classes) == 196
    assert raw.classes[13] == "Car 14 2012"
    assert labelled(raw, base) == {
        "train": {"cars_train/00001.jpg": 13, "cars_train/00002.jpg": 195},
        "test": {"cars_test/00001.jpg": 0, "cars_test/00002.jpg": 180},
    }


def test_clevr_is_counted_from_its_scenes_with_val_as_test(tmp_path: Path) -> None:
    base = tmp_path / "clevr" / "CLEVR_v1.0"
    for split, counts in (("train", [3, 10, 5]), ("val", [4])):
        scenes = []
        for index, count in enumerate(counts):
            name = f"CLEVR_{split}_{index:06d}.png"
            write_images(base, f"images/{split}/{name}")
            objects = [{"color": "red", "shape": "cube"}] * count
            scenes.append({"image_index": index, "image_filename": name, "objects": objects})
        content = {"info": {"split": split}, "scenes": scenes[::-1]}
        write(base / "scenes" / f"CLEVR_{split}_scenes.json", content)
    raw = read("clevr_count", tmp_path)
    assert raw.classes == [f"{count} objects" for count in range(3, 11)]
    assert labelled(raw, base / "images") == {
        "train": {f"train/CLEVR_train_00000{i}.png": label for i, label in enumerate((0, 7, 2))},
        "test": {"val/CLEVR_val_000000.png": 1},
    }


def test_places365_takes_labels_from_its_lists_with_val_as_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import Places365

    train = {"a/airfield/00000001.jpg": 0, "a/apartment_building/outdoor/00000001.jpg": 1}
    val = {"Places365_val_00000001.jpg": 1, "Places365_val_00000002.jpg": 0}

    def listed(name: str, labels: dict[str, int], slash: str = "/") -> tuple[str, str]:
        """A list, and its MD5 that torchvision is to accept."""
        lines = "".join(f"{slash}{file} {label}\n" for file, label in labels.items())
        return name, write(tmp_path / name, lines)

    classes = listed("categories_places365.txt", {str(Path(f).parent): n for f, n in train.items()})
    lists = {
        "train-standard": listed("places365_train_standard.txt", train),
        "val": listed("places365_val.txt", val, slash=""),
    }
    monkeypatch.setattr(Places365, "_CATEGORIES_META", classes)
    monkeypatch.setattr(Places365, "_FILE_LIST_META", lists)
    write_images(tmp_path / "data_256_standard", *train)
    write_images(tmp_path / "val_256", *val)
    raw = read("places365", tmp_path)
    assert raw.classes == ["a/airfield", "a/apartment_building/outdoor"]
    assert labelled(raw, tmp_path) == {
        "train": {f"data_256_standard/{file}": label for file, label in train.items()},
        "test": {f"val_256/{file}": label for file, label in val.items()},
    }
    (tmp_path / "places365_val.txt").write_text("changed")
    with pytest.raises(UserError, match=r"cannot be read as torchvision's Places365.*val\.txt"):
        read("places365", tmp_path)


def test_flowers102_trains_on_train_and_val(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import Flowers102

    base = tmp_path / "flowers-102"
    labels = np.array([[77, 1, 1, 102, 77, 1, 9]], dtype=np.uint8)
    sets = {"trnid": [[2, 5]], "valid": [[6, 7]], "tstid": [[3, 1, 4]]}
    digests = {
        "label": ("imagelabels.mat", write(base / "imagelabels.mat", {"labels": labels})),
        "setid": ("setid.mat", write(base / "setid.mat", sets)),
    }
    monkeypatch.setattr(Flowers102, "_file_dict", {**Flowers102._file_dict, **digests})
    write_images(base, *(f"jpg/image_{number:05d}.jpg" for number in range(1, 8)))
    raw = read("flowers102", tmp_path)
    assert len(raw.classes) == 102
    assert raw.classes[0] == "pink primrose"
    parts = {"train": {2: 0, 5: 76, 6: 0, 7: 8}, "test": {1: 76, 3: 0, 4: 101}}
    assert labelled(raw, base / "jpg") == {
        name: {f"image_{number:05d}.jpg": label for number, label in part.items()}
        for name, part in parts.items()
    }


def test_inaturalist_2021_has_a_class_a_folder(tmp_path: Path) -> None:
    species = [
        "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
        "00001_Animalia_Annelida_Polychaeta_Sabellida_Sabellidae_Sabella_spallanzanii",
    ]
    for folder, files in (("2021_train_mini", "ba"), ("2021_valid", "c")):
        write_images(tmp_path / folder, *(f"{s}/{name}.jpg" for s in species for name in files))
    raw = read("inaturalist", tmp_path)
    assert raw.classes == species
    train = [(f"2021_train_mini/{s}/{f}.jpg", n) for n, s in enumerate(species) for f in "ab"]
    test = {f"2021_valid/{name}/c.jpg": label for label, name in enumerate(species)}
    assert labelled(raw, tmp_path) == {"train": dict(train), "test": test}


def test_inaturalist_2018_takes_its_split_from_the_published_lists(tmp_path: Path) -> None:
    train, val = (
        {"Aves/1/x.jpg": 1, "Plantae/0/z.jpg": 0},
        {"Aves/1/y.jpg": 1, "Plantae/0/w.jpg": 0},
    )
    write_images(tmp_path / "2018", *train, *val)
    for name, labels in (("train", train), ("val", val)):
        rows = list(enumerate(labels.items()))
        content = {
            "images": [{"id": i, "file_name": f"train_val2018/{file}"} for i, (file, _) in rows],
            "annotations": [
                {"id": i, "image_id": i, "category_id": label} for i, (_, label) in rows[::-1]
            ],
            "categories": [{"id": 1, "name": "Strix"}, {"id": 0, "name": "Acer"}],
        }
        write(tmp_path / f"{name}2018.json", content)
    raw = read("inaturalist", tmp_path, version="2018")
    assert raw.classes == ["0000 Acer", "0001 Strix"]
    assert labelled(raw, tmp_path / "2018") == {"train": train, "test": val}
    write(tmp_path / "val2018.json", {})
    with pytest.raises(UserError, match=r"is not as published \(KeyError: 'annotations'\)"):
        read("inaturalist", tmp_path, version="2018")
    (tmp_path / "val2018.json").unlink()
    with pytest.raises(UserError, match=r"val2018\.json: is missing; fetch it from https://github"):
        read("inaturalist", tmp_path, version="2018")


def test_voc2007_labels_every_class_that_has_an_object_which_is_not_difficult(
    tmp_path: Path,
) -> None:
    base = tmp_path / "VOCdevkit" / "VOC2007"
    write(base / "ImageSets" / "Main" / "trainval.txt", "000005\n000007\n")
    write(base / "ImageSets" / "Main" / "test.txt", "000001\n")
    for image, objects in {
        "000005": [("chair", 0), ("chair", 1), ("person", 1)],
        "000007": [("car", 0), ("person", 0), ("car", 0)],
        "000001": [("dog", 0)],
    }.items():
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        items = "".join(
            f"<object><name>{name}</name><pose>Left</pose><truncated>0</truncated>"
            f"<difficult>{difficult}</difficult>{box}<part><name>head</name></part></object>"
            for name, difficult in objects
        )
        text = f"<annotation><folder>VOC2007</folder>{items}</annotation>"
        write(base / "Annotations" / f"{image}.xml", text)
        write_images(base, f"JPEGImages/{image}.jpg")
    raw = read("voc2007", tmp_path)
    shown = {
        Path(file).stem: [raw.classes[c] for c in np.flatnonzero(row)]
        for split in raw.splits.values()
        for file, row in zip(split.images, split.labels, strict=True)
    }
    assert shown == {"000005": ["chair"], "000007": ["car", "person"], "000001": ["dog"]}
    assert raw.splits["train"].labels.shape == (2, 20)
    assert raw.splits["train"].labels.dtype == np.uint8
    write(base / "Annotations" / "000001.xml", "<annotation>")
    with pytest.raises(UserError, match=r"000001\.xml: cannot be read"):
        read("voc2007", tmp_path)


SUN_CLASSES = ("a/abbey", "a/athletic_field/outdoor")
LISTS = {"train_list": "train.txt", "test_list": "test.txt"}


@pytest.fixture
def sun(tmp_path: Path) -> Path:
    """Two SUN classes, one of them a folder deeper, with four images each."""
    base = tmp_path / "SUN397"
    write(base / "ClassName.txt", "".join(f"/{name}\n" for name in SUN_CLASSES))
    write_images(base, *(f"{c}/sun_{i}.jpg" for c in SUN_CLASSES for i in "pqrs"))
    return base


def test_sun397_is_split_by_its_official_lists(sun: Path) -> None:
    parts = {"train": "ps", "test": "r"}
    for name, images in parts.items():
        lines = [f"/{c}/sun_{i}.jpg\r\n" for c in SUN_CLASSES for i in images]
        write(sun / f"{name}.txt", "".join(lines))
    raw = read("sun397", sun.parent, **LISTS)
    assert raw.classes == ["abbey", "athletic_field/outdoor"]
    assert raw.split == "lists: train.txt, test.txt"
    assert labelled(raw, sun) == {
        name: {f"{c}/sun_{i}.jpg": label for label, c in enumerate(SUN_CLASSES) for i in images}
        for name, images in parts.items()
    }


def test_a_list_with_an_unknown_or_a_doubled_image_is_refused(sun: Path) -> None:
    write(sun / "train.txt", "a/abbey/sun_p.jpg\na/abbey/sun_x.jpg\n")
    with pytest.raises(UserError, match=r"test\.txt: cannot be read as a list of images"):
        read("sun397", sun.parent, **LISTS)
    write(sun / "test.txt", "a/abbey/sun_r.jpg\n")
    with pytest.raises(UserError, match=r"train\.txt: 'a/abbey/sun_x\.jpg' is not in"):
        read("sun397", sun.parent, **LISTS)
    write(sun / "train.txt", "a/abbey/sun_r.jpg\n")
    with pytest.raises(UserError, match=r"'a/abbey/sun_r\.jpg' is listed twice \(1 such images\)"):
        read("sun397", sun.parent, **LISTS)
    with pytest.raises(UserError, match="both train_list and test_list, or neither"):
        read("sun397", sun.parent, train_list="train.txt")


def test_without_lists_a_stratified_split_is_made_and_told(sun: Path) -> None:
    raw = read("sun397", sun.parent)
    for split in raw.splits.values():
        assert split.labels.tolist() == [0, 0, 1, 1]
    assert raw.split == "stratified: 0.5 of each class for testing, seed 0"
    assert set(raw.splits["train"].images).isdisjoint(raw.splits["test"].images)
    assert raw.splits["test"].images != read("sun397", sun.parent, seed=1).splits["test"].images


def test_eurosat_and_caltech101_are_read_from_their_layouts(tmp_path: Path) -> None:
    eurosat, caltech = tmp_path / "eurosat/2750", tmp_path / "caltech101/101_ObjectCategories"
    write_images(eurosat, *(f"{c}/{c}_{i}.jpg" for c in ("River", "Forest") for i in range(5)))
    names = ("BACKGROUND_Google", "ant", "Faces")
    write_images(caltech, *(f"{c}/image_{i:04d}.jpg" for c in names for i in range(1, 11)))
    for reader, folder, classes, counts in (
        ("eurosat", eurosat, ["Forest", "River"], (4, 1)),
        ("caltech101", caltech, ["Faces", "ant"], (7, 3)),
    ):
        raw = read(reader, tmp_path)
        assert raw.classes == classes
        for part, count in zip(labelled(raw, folder).values(), counts, strict=True):
            assert sorted(part.values()) == [0] * count + [1] * count
            assert all(Path(path).parent.name == classes[label] for path, label in part.items())


@pytest.mark.parametrize("name", [name for name in Catalogue() if name.endswith("-small")])
def test_real_packs_have_the_counts_that_are_expected_of_them(
    image_sets: Path, tmp_path: Path, name: str
) -> None:
    declaration = Catalogue()[name].model_copy(update={"size": 8})
    prepare(name, declaration, tmp_path, workers=min(2, os.cpu_count() or 1))
    dataset = load_dataset(tmp_path)
    assert len(dataset.classes) == declaration.expected.classes
    for split in ("train", "test"):
        assert len(dataset.splits[split].images) == getattr(declaration.expected, split)
    if name == "tiny-imagenet-small":
        # Published for the whole of Tiny ImageNet, JPEGs of which some are grey.
        assert dataset.normalisation["mean"] == pytest.approx([0.480, 0.448, 0.398], abs=0.02)


@pytest.mark.parametrize(
    ("reader", "needed"),
    [
        ("food101", "food-101/meta/train.json"),
        ("stanford_cars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("clevr_count", "clevr/CLEVR_v1.0/scenes/CLEVR_val_scenes.json"),
        ("places365", "places365_val.txt"),
        ("flowers102", "flowers-102/setid.mat"),
        ("inaturalist", "2021_train_mini"),
        ("voc2007", "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt"),
        ("sun397", "SUN397/ClassName.txt"),
        ("eurosat", "eurosat/2750"),
        ("caltech101", "caltech101/101_ObjectCategories"),
    ],
)
def test_without_data_and_network_the_message_says_what_is_expected_where(
    tmp_path: Path, reader: str, needed: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(reader, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: torchvision's ")
    assert "could not be fetched" in message
    assert needed in message
    with pytest.raises(UserError, match="needs `root:`"):
        read(reader)
