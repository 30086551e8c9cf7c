from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankme.data.decode import decode, decode_chunk, to_rgb
from tests.rankme.data.pictures import photo


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (33, 32), (16, 90), (7, 5)])
def test_decoding_is_torchvisions_resize_and_centre_crop(
    tmp_path: Path, height: int, width: int
) -> None:
    from torchvision.transforms import v2

    image = photo(0, height, width)
    image.save(tmp_path / "a.png")
    square = v2.Compose(
        [v2.Resize(32, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(32)]
    )
    expected = np.asarray(square(image)).astype(float)
    # torchvision rounds the resized size and the crop to whole pixels, this code does not.
    assert np.abs(decode(tmp_path / "a.png", 32) - expected).mean() < 4


def test_grey_becomes_three_equal_channels() -> None:
    grey = photo(2).convert("L")
    np.testing.assert_array_equal(to_rgb(grey), np.asarray(grey)[..., None].repeat(3, 2))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_are_blended_with_white(mode: str) -> None:
    image = photo(3).convert(mode)
    alpha = np.linspace(0, 255, image.size[0] * image.size[1]).astype(np.uint8)
    image.putalpha(Image.fromarray(alpha.reshape(image.size[::-1])))
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    share = rgba[..., 3:] / 255
    expected = share * rgba[..., :3] + (1 - share) * 255
    np.testing.assert_allclose(to_rgb(image), expected, atol=1)


def test_a_palette_image_has_its_palettes_colours(tmp_path: Path) -> None:
    image = photo(4).quantize(16)
    image.save(tmp_path / "a.png")
    colours = np.array(image.getpalette()).reshape(-1, 3)
    with Image.open(tmp_path / "a.png") as reopened:
        assert reopened.mode == "P"
        np.testing.assert_array_equal(to_rgb(reopened), colours[np.asarray(image)])


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.gif", transparency=0)
    assert (decode(tmp_path / "a.gif", 8) == 255).all()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(decode(tmp_path / "a.jpg", 8).astype(int) - (255, 0, 0)).max() <= 3


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png", 8)[..., 0], ramp // 256)


def test_each_kind_of_bad_file_is_named_with_its_fault(tmp_path: Path) -> None:
    good, empty, text, torn, missing, loop = (tmp_path / f"{name}.jpg" for name in "abcdef")
    photo(5, 64, 64).save(good)
    empty.touch()
    text.write_text("not an image")
    torn.write_bytes(good.read_bytes()[: good.stat().st_size * 3 // 4])
    loop.symlink_to(loop)
    floats = tmp_path / "g.tiff"
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(floats)
    chunk = decode_chunk([empty, good, text, torn, missing, good, loop, floats], 16)
    assert len(chunk) == 8
    assert len(chunk.images) == 2
    for image in chunk.images:
        np.testing.assert_array_equal(image, decode(good, 16))
    assert chunk.bad.pop(3).startswith("image file is truncated")
    assert chunk.bad == {
        0: "empty file (0 bytes)",
        2: "not an image, or of a format that Pillow does not know",
        4: "no such file",
        6: "too many levels of symbolic links",
        7: "pixels of mode F; convert it to 8 or 16 bits a channel",
    }


@pytest.mark.parametrize("keep", [20, 60, 120])
def test_a_torn_png_is_bad(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "a.png"
    photo(6).save(file)
    file.write_bytes(file.read_bytes()[:keep])
    assert len(decode_chunk([file], 16).bad) == 1


@pytest.mark.parametrize(("side", "size"), [(8, 32), (32, 32)])
def test_arrays_are_resized_as_files_are_and_keep_their_bytes_at_the_right_size(
    tmp_path: Path, side: int, size: int
) -> None:
    image = photo(7, side, side)
    image.save(tmp_path / "a.png")
    from_array = decode_chunk(np.asarray(image)[None], size).images
    np.testing.assert_array_equal(decode_chunk([tmp_path / "a.png"], size).images, from_array)
    assert (side == size) == np.array_equal(from_array, np.asarray(image)[None])
