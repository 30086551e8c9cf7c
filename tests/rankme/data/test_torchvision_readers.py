"""Readers of published sets, on small trees in the real layout and the real annotation formats."""

import json
import urllib.request
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from scipy.io import savemat

from rankme.data.dataset import load_dataset
from rankme.data.prepare import prepare
from rankme.data.raw import RawSplit
from rankme.errors import UserError
from rankme.study.datasets import Catalogue, declare
from tests.rankme.data.pictures import photo
from tests.rankme.data.reading import read


def labelled(root: Path, split: RawSplit) -> dict[str, int]:
    """The labels by path below `root`."""
    paths = [str(Path(path).relative_to(root)) for path in split.images]
    return dict(zip(paths, split.labels.tolist(), strict=True))


def write_images(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        photo(seed).save(root / name)


def write_text(path: Path, text: str) -> str:
    """Write it and return its MD5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return md5(path.read_bytes()).hexdigest()


def write_mat(path: Path, content: dict[str, Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content)
    return md5(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(*_: object, **__: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def test_food101_takes_its_split_from_the_meta_files(tmp_path: Path) -> None:
    base = tmp_path / "food-101"
    train = {"waffles": ["waffles/3", "waffles/1"], "apple_pie": ["apple_pie/7"]}
    test = {"apple_pie": ["apple_pie/8"], "waffles": ["waffles/2"]}
    for name, content in (("train", train), ("test", test)):
        write_text(base / "meta" / f"{name}.json", json.dumps(content))
        files = [f"images/{file}.jpg" for group in content.values() for file in group]
        write_images(base, *files)
    raw = read("food101", tmp_path)
    assert raw.classes == ["apple_pie", "waffles"]
    assert labelled(base / "images", raw.splits["train"]) == {
        "apple_pie/7.jpg": 0,
        "waffles/1.jpg": 1,
        "waffles/3.jpg": 1,
    }
    assert labelled(base / "images", raw.splits["test"]) == {
        "apple_pie/8.jpg": 0,
        "waffles/2.jpg": 1,
    }
    write_text(base / "meta" / "test.json", json.dumps({"waffles": ["waffles/2"]}))
    with pytest.raises(UserError, match="same classes, but 1 are in one only: apple_pie"):
        read("food101", tmp_path)


def test_stanford_cars_takes_labels_from_its_devkit(tmp_path: Path) -> None:
    base = tmp_path / "stanford_cars"
    names = np.array([f"Car {number} 2012" for number in range(1, 197)], dtype=object)
    write_mat(base / "devkit" / "cars_meta.mat", {"class_names": names})
    box = [(f"bbox_{side}", "f8") for side in ("x1", "y1", "x2", "y2")]
    for path, rows in (
        ("devkit/cars_train_annos.mat", [("00001.jpg", 14), ("00002.jpg", 196)]),
        ("cars_test_annos_withlabels.mat", [("00001.jpg", 1), ("00002.jpg", 181)]),
    ):
        annotations = np.zeros(len(rows), dtype=[*box, ("class", "u1"), ("fname", "O")])
        for row, (name, label) in zip(annotations, rows, strict=True):
            row["class"], row["fname"] = label, name
        write_mat(base / path, {"annotations": annotations})
    write_images(base, *(f"cars_{s}/0000{i}.jpg" for s in ("train", "test") for i in (1, 2)))
    raw = read("stanford_cars", tmp_path)
    assert len(raw.classes) == 196
    assert raw.classes[13] == "Car 14 2012"
    assert labelled(base, raw.splits["train"]) == {
        "cars_train/00001.jpg": 13,
        "cars_train/00002.jpg": 195,
    }
    assert labelled(base, raw.splits["test"]) == {
        "cars_test/00001.jpg": 0,
        "cars_test/00002.jpg": 180,
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
        write_text(base / "scenes" / f"CLEVR_{split}_scenes.json", json.dumps(content))
    raw = read("clevr_count", tmp_path)
    assert raw.classes == [f"{count} objects" for count in range(3, 11)]
    assert raw.splits["train"].labels.tolist() == [0, 7, 2]
    assert labelled(base, raw.splits["test"]) == {"images/val/CLEVR_val_000000.png": 1}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Places365's lists and images, with MD5s that torchvision accepts."""
    from torchvision.datasets import Places365

    categories = write_text(
        tmp_path / "categories_places365.txt", "/a/airfield 0\n/a/apartment_building/outdoor 1\n"
    )
    train = write_text(
        tmp_path / "places365_train_standard.txt",
        "/a/airfield/00000001.jpg 0\n/a/apartment_building/outdoor/00000001.jpg 1\n",
    )
    val = write_text(
        tmp_path / "places365_val.txt",
        "Places365_val_00000001.jpg 1\nPlaces365_val_00000002.jpg 0\n",
    )
    monkeypatch.setattr(Places365, "_CATEGORIES_META", ("categories_places365.txt", categories))
    lists = {
        "train-standard": ("places365_train_standard.txt", train),
        "val": ("places365_val.txt", val),
    }
    monkeypatch.setattr(Places365, "_FILE_LIST_META", lists)
    below = ("a/airfield/00000001.jpg", "a/apartment_building/outdoor/00000001.jpg")
    write_images(tmp_path / "data_256_standard", *below)
    write_images(tmp_path / "val_256", *(f"Places365_val_0000000{i}.jpg" for i in (1, 2)))
    return tmp_path


def test_places365_takes_labels_from_its_lists_with_val_as_test(places: Path) -> None:
    raw = read("places365", places)
    assert raw.classes == ["a/airfield", "a/apartment_building/outdoor"]
    assert labelled(places / "data_256_standard", raw.splits["train"]) == {
        "a/airfield/00000001.jpg": 0,
        "a/apartment_building/outdoor/00000001.jpg": 1,
    }
    assert raw.splits["test"].labels.tolist() == [1, 0]
    (places / "places365_val.txt").write_text("changed")
    with pytest.raises(UserError, match=r"cannot be read as torchvision's Places365.*val\.txt"):
        read("places365", places)


def test_flowers102_trains_on_train_and_val(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import Flowers102

    base = tmp_path / "flowers-102"
    labels = np.array([[77, 1, 1, 102, 77, 1, 9]], dtype=np.uint8)
    sets = {"trnid": [[2, 5]], "valid": [[6, 7]], "tstid": [[3, 1, 4]]}
    digests = {
        "label": ("imagelabels.mat", write_mat(base / "imagelabels.mat", {"labels": labels})),
        "setid": ("setid.mat", write_mat(base / "setid.mat", sets)),
    }
    monkeypatch.setattr(Flowers102, "_file_dict", {**Flowers102._file_dict, **digests})
    write_images(base, *(f"jpg/image_{number:05d}.jpg" for number in range(1, 8)))
    raw = read("flowers102", tmp_path)
    assert len(raw.classes) == 102
    assert raw.classes[0] == "pink primrose"
    assert labelled(base / "jpg", raw.splits["train"]) == {
        "image_00002.jpg": 0,
        "image_00005.jpg": 76,
        "image_00006.jpg": 0,
        "image_00007.jpg": 8,
    }
    assert labelled(base / "jpg", raw.splits["test"]) == {
        "image_00001.jpg": 76,
        "image_00003.jpg": 0,
        "image_00004.jpg": 101,
    }


SPECIES = (
    "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
    "00001_Animalia_Annelida_Polychaeta_Sabellida_Sabellidae_Sabella_spallanzanii",
)


def test_inaturalist_2021_has_a_class_a_folder(tmp_path: Path) -> None:
    for folder, files in (("2021_train_mini", ("b", "a")), ("2021_valid", ("c",))):
        write_images(tmp_path / folder, *(f"{s}/{name}.jpg" for s in SPECIES for name in files))
    raw = read("inaturalist", tmp_path)
    assert raw.classes == list(SPECIES)
    assert labelled(tmp_path / "2021_train_mini", raw.splits["train"]) == {
        f"{name}/{file}.jpg": label for label, name in enumerate(SPECIES) for file in "ab"
    }
    assert raw.splits["test"].labels.tolist() == [0, 1]


def test_inaturalist_2018_takes_its_split_from_the_published_lists(tmp_path: Path) -> None:
    files = {"Aves/1/x.jpg": 1, "Aves/1/y.jpg": 1, "Plantae/0/z.jpg": 0, "Plantae/0/w.jpg": 0}
    write_images(tmp_path / "2018", *files)
    categories = [{"id": 1, "name": "Strix"}, {"id": 0, "name": "Acer"}]
    for name, chosen in (("train", (0, 2)), ("val", (1, 3))):
        rows = [(index, list(files)[index]) for index in chosen]
        content = {
            "images": [{"id": i, "file_name": f"train_val2018/{file}"} for i, file in rows],
            "annotations": [
                {"id": i, "image_id": i, "category_id": files[file]} for i, file in rows[::-1]
            ],
            "categories": categories,
        }
        write_text(tmp_path / f"{name}2018.json", json.dumps(content))
    raw = read("inaturalist", tmp_path, version="2018")
    assert raw.classes == ["0000 Acer", "0001 Strix"]
    assert labelled(tmp_path / "2018", raw.splits["train"]) == {
        "Aves/1/x.jpg": 1,
        "Plantae/0/z.jpg": 0,
    }
    assert labelled(tmp_path / "2018", raw.splits["test"]) == {
        "Aves/1/y.jpg": 1,
        "Plantae/0/w.jpg": 0,
    }
    write_text(tmp_path / "val2018.json", "{}")
    with pytest.raises(UserError, match=r"is not as published \(KeyError: 'annotations'\)"):
        read("inaturalist", tmp_path, version="2018")
    (tmp_path / "val2018.json").unlink()
    with pytest.raises(UserError, match=r"val2018\.json: is missing; fetch it from https://github"):
        read("inaturalist", tmp_path, version="2018")


def voc_annotation(*objects: tuple[str, int]) -> str:
    boxes = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    items = "".join(
        f"<object><name>{name}</name><pose>Left</pose><truncated>0</truncated>"
        f"<difficult>{difficult}</difficult>{boxes}"
        "<part><name>head</name></part></object>"
        for name, difficult in objects
    )
    return f"<annotation><folder>VOC2007</folder>{items}</annotation>"


def test_voc2007_labels_every_class_that_has_an_object_which_is_not_difficult(
    tmp_path: Path,
) -> None:
    base = tmp_path / "VOCdevkit" / "VOC2007"
    write_text(base / "ImageSets" / "Main" / "trainval.txt", "000005\n000007\n")
    write_text(base / "ImageSets" / "Main" / "test.txt", "000001\n")
    for name, objects in {
        "000005": [("chair", 0), ("chair", 1), ("person", 1)],
        "000007": [("car", 0), ("person", 0), ("car", 0)],
        "000001": [("dog", 0)],
    }.items():
        write_text(base / "Annotations" / f"{name}.xml", voc_annotation(*objects))
        write_images(base, f"JPEGImages/{name}.jpg")
    raw = read("voc2007", tmp_path)
    shown = {
        Path(file).stem: [raw.classes[c] for c in np.flatnonzero(row)]
        for split in raw.splits.values()
        for file, row in zip(split.images, split.labels, strict=True)
    }
    assert shown == {"000005": ["chair"], "000007": ["car", "person"], "000001": ["dog"]}
    assert raw.splits["train"].labels.shape == (2, 20)
    assert raw.splits["train"].labels.dtype == np.uint8
    write_text(base / "Annotations" / "000001.xml", "<annotation>")
    with pytest.raises(UserError, match=r"000001\.xml: cannot be read"):
        read("voc2007", tmp_path)


def test_voc2007_needs_the_metric_map(tmp_path: Path) -> None:
    base = tmp_path / "VOCdevkit" / "VOC2007"
    for split in ("trainval", "test"):
        write_text(base / "ImageSets" / "Main" / f"{split}.txt", "1\n")
    write_text(base / "Annotations" / "1.xml", voc_annotation(("dog", 0)))
    declaration = declare("voc", {"reader": "voc2007", "size": 32, "root": str(tmp_path)})
    with pytest.raises(UserError, match="write `metric: map`"):
        prepare("voc", declaration, tmp_path / "out", workers=1)


def scenes(root: Path) -> Path:
    """Two SUN classes, one of them a folder deeper, with four images each."""
    base = root / "SUN397"
    write_text(base / "ClassName.txt", "/a/abbey\n/a/athletic_field/outdoor\n")
    write_images(base, *(f"{c}/sun_{i}.jpg" for c in SUN_CLASSES for i in "pqrs"))
    return base


SUN_CLASSES = ("a/abbey", "a/athletic_field/outdoor")


def test_sun397_is_split_by_its_official_lists(tmp_path: Path) -> None:
    base = scenes(tmp_path)
    for name, images in (("Training_01.txt", "ps"), ("Testing_01.txt", "r")):
        lines = [f"/{c}/sun_{i}.jpg\r\n" for c in SUN_CLASSES for i in images]
        write_text(base / name, "".join(lines))
    lists = {"train_list": "Training_01.txt", "test_list": "Testing_01.txt"}
    raw = read("sun397", tmp_path, **lists)
    assert raw.classes == ["abbey", "athletic_field/outdoor"]
    assert raw.split == "lists: Training_01.txt, Testing_01.txt"
    assert labelled(base, raw.splits["train"]) == {
        f"{c}/sun_{i}.jpg": label for label, c in enumerate(SUN_CLASSES) for i in "ps"
    }
    assert list(labelled(base, raw.splits["test"]).values()) == [0, 1]


def test_a_list_with_an_unknown_or_a_doubled_image_is_refused(tmp_path: Path) -> None:
    base = scenes(tmp_path)
    lists = {"train_list": "train.txt", "test_list": "test.txt"}
    write_text(base / "train.txt", "a/abbey/sun_p.jpg\na/abbey/sun_x.jpg\n")
    with pytest.raises(UserError, match=r"test\.txt: cannot be read as a list of images"):
        read("sun397", tmp_path, **lists)
    write_text(base / "test.txt", "a/abbey/sun_r.jpg\n")
    with pytest.raises(UserError, match=r"train\.txt: 'a/abbey/sun_x\.jpg' is not in"):
        read("sun397", tmp_path, **lists)
    write_text(base / "train.txt", "a/abbey/sun_r.jpg\n")
    with pytest.raises(UserError, match=r"'a/abbey/sun_r\.jpg' is listed twice \(1 such images\)"):
        read("sun397", tmp_path, **lists)
    with pytest.raises(UserError, match="both train_list and test_list, or neither"):
        read("sun397", tmp_path, train_list="train.txt")


def test_without_lists_a_stratified_split_is_made_and_told(tmp_path: Path) -> None:
    scenes(tmp_path)
    raw = read("sun397", tmp_path)
    for split in raw.splits.values():
        assert split.labels.tolist() == [0, 0, 1, 1]
    assert raw.split == "stratified: 0.5 of each class for testing, seed 0"
    assert set(raw.splits["train"].images).isdisjoint(raw.splits["test"].images)
    assert raw.splits["test"].images != read("sun397", tmp_path, seed=1).splits["test"].images


def test_eurosat_and_caltech101_are_read_from_their_layouts(tmp_path: Path) -> None:
    write_images(
        tmp_path / "eurosat/2750",
        *(f"{c}/{c}_{i}.jpg" for c in ("River", "Forest") for i in range(5)),
    )
    raw = read("eurosat", tmp_path)
    assert raw.classes == ["Forest", "River"]
    assert {n: np.bincount(s.labels).tolist() for n, s in raw.splits.items()} == {
        "train": [4, 4],
        "test": [1, 1],
    }
    objects = tmp_path / "caltech101" / "101_ObjectCategories"
    names = ("BACKGROUND_Google", "ant", "Faces")
    write_images(objects, *(f"{c}/image_{i:04d}.jpg" for c in names for i in range(1, 11)))
    raw = read("caltech101", tmp_path)
    assert raw.classes == ["Faces", "ant"]
    assert np.bincount(raw.splits["test"].labels).tolist() == [3, 3]
    for split in raw.splits.values():
        for file, label in labelled(objects, split).items():
            assert Path(file).parent.name == raw.classes[label]


@pytest.mark.parametrize(
    "name", ["caltech101-small", "eurosat-small", "sun-small", "flowers-small", "cifar100-small"]
)
def test_real_packs_have_the_counts_that_are_expected_of_them(
    image_sets: Path, tmp_path: Path, name: str
) -> None:
    declaration = Catalogue()[name].model_copy(update={"size": 8})
    prepare(name, declaration, tmp_path, workers=1)
    dataset = load_dataset(tmp_path)
    assert len(dataset.classes) == declaration.expected.classes
    for split in ("train", "test"):
        assert len(dataset.splits[split].images) == getattr(declaration.expected, split)


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
        read(reader, None)


@pytest.mark.parametrize(
    ("file", "spoil"),
    [("meta/train.json", lambda path: path.write_text("{")), ("meta/test.json", Path.unlink)],
)
def test_damaged_annotations_are_named(
    tmp_path: Path, file: str, spoil: Callable[[Path], object]
) -> None:
    base = tmp_path / "food-101"
    for name in ("train", "test"):
        write_text(base / "meta" / f"{name}.json", json.dumps({"pie": ["pie/1"]}))
    write_images(base, "images/pie/1.jpg")
    spoil(base / file)
    with pytest.raises(UserError, match=f"{file}"):
        read("food101", tmp_path)
