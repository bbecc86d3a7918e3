"""A file or a folder is written whole or not at all."""

import errno

import pytest

from sokutou_train import __main__, disk, steps


def _fill(folder, text):
    folder.mkdir()
    (folder / "file").write_text(text)


def test_a_folder_takes_the_place_of_the_one_before(tmp_path):
    _fill(tmp_path / "bundle", "old")
    with disk.whole(tmp_path / "bundle") as new:
        _fill(new, "new")
        assert (tmp_path / "bundle" / "file").read_text() == "old"
    assert (tmp_path / "bundle" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), OSError(errno.EDQUOT, "quota"), ValueError("no")]
)
def test_what_fails_leaves_what_was_there(tmp_path, error):
    _fill(tmp_path / "bundle", "old")
    expected = disk.DiskFull if isinstance(error, OSError) else ValueError
    with pytest.raises(expected), disk.whole(tmp_path / "bundle") as new:
        _fill(new, "half")
        raise error
    assert (tmp_path / "bundle" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_a_killed_run_left_is_no_hindrance(tmp_path):
    _fill(tmp_path / "bundle.new", "half")
    with disk.whole(tmp_path / "bundle") as new:
        _fill(new, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), disk.whole(tmp_path / "file"):
        (tmp_path / "missing").read_text()


def test_a_step_on_a_full_disk_names_the_folder(tmp_path, monkeypatch, capsys):
    def full(work):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(steps.STEPS, "plots", (full, ""))
    assert __main__.main(["plots", "--recipe", "toy", "--work", str(tmp_path)]) == 1
    assert f"no space is left on the disk of {tmp_path}" in capsys.readouterr().err
