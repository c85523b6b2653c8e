"""Settings and data count only if this user or root owns them and nobody else can change them."""

import os
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.landing.landing import landing_of
from pipelines.ownership import check_owner
from pipelines.settings import Settings, load_settings

STRANGER = 54321


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o700, 0o755])
def test_what_only_its_owner_can_change_is_taken(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode)
    file.chmod(mode)

    check_owner(file)


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o646, 0o666, 0o777])
def test_what_everybody_can_change_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    file.chmod(mode)

    with pytest.raises(UsageError, match=r"can be changed by other users; run 'chmod go-w '.*a file''"):
        check_owner(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_group_of_others_can_not_change_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o664)
    check_owner(file)  # root's group is root's alone
    os.chown(file, 0, STRANGER)

    with pytest.raises(UsageError, match="chmod go-w"):
        check_owner(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_belongs_to_another_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, STRANGER, STRANGER)

    with pytest.raises(UsageError, match=f"belongs to user {STRANGER}"):
        check_owner(file)


def test_settings_that_others_can_change_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smsrecon.toml").write_text("this is no TOML")
    (tmp_path / "smsrecon.toml").chmod(0o666)
    monkeypatch.chdir(tmp_path)

    for config in (None, tmp_path / "smsrecon.toml"):
        with pytest.raises(UsageError, match=r"smsrecon\.toml can be changed by other users"):
            load_settings(config)


def test_a_data_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    landing_of(settings)
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o777)

    with pytest.raises(UsageError, match="data can be changed by other users"):
        landing_of(settings)
