import os

import pytest

from examples.licence_audit.inventory import PackagesMissing, inventory
from examples.licence_audit.licence_files import MAX_FILE_BYTES, MAX_TEXT_CHARACTERS
from tests.examples.licence_samples import APACHE, BSD_2, MIT


def only(site, name="pkg"):
    (package,) = inventory(names=[name], site_packages=str(site))
    return package


def test_the_first_packages_with_a_licence_file_come_in_alphabetical_order(site, install):
    for name in ("zeta", "Beta", "alpha", "gamma"):
        install(name, {"licenses/LICENSE": MIT})
    install("aaa_without")
    found = inventory(limit=3, site_packages=str(site))
    assert [package.name for package in found] == ["alpha", "Beta", "gamma"]


def test_named_packages_come_with_or_without_a_licence_file(site, install):
    install("bare")
    install("full", {"LICENSE": MIT})
    found = inventory(names=["full", "BARE"], limit=1, site_packages=str(site))
    assert [(package.name, bool(package.text)) for package in found] == [("bare", False), ("full", True)]


def test_a_name_that_is_not_installed_is_named(site, install):
    install("there", {"LICENSE": MIT})
    with pytest.raises(PackagesMissing, match="'absent'") as caught:
        inventory(names=["there", "absent"], site_packages=str(site))
    assert caught.value.names == ("absent",)


def test_the_running_environment_is_read_by_default():
    assert [package.name for package in inventory(names=["pydantic"])] == ["pydantic"]


@pytest.mark.parametrize("path", ["licenses/LICENSE", "LICENSE.txt", "LICENCE", "COPYING", "licenses/sub/Anything.txt"])
def test_licence_files_are_found_under_their_usual_names(site, install, path):
    install("pkg", {path: MIT})
    package = only(site)
    assert [file.path for file in package.files] == [path]
    assert package.text == MIT.strip()


def test_notices_and_other_metadata_are_no_licence_texts(site, install):
    install("pkg", {"licenses/NOTICE": "n", "NOTICE.txt": "n", "RECORD": "r", "licenses/AUTHORS": "a"})
    assert only(site).files == ()


def test_texts_nearest_to_the_root_are_the_packages_own(site, install):
    install("pkg", {"licenses/LICENSE-MIT": MIT, "licenses/LICENSE-APACHE": APACHE, "licenses/vendor/LICENSE": BSD_2})
    package = only(site)
    assert package.text == f"{APACHE.strip()}\n\n{MIT.strip()}"
    assert [file.path for file in package.files][-1] == "licenses/vendor/LICENSE"


@pytest.mark.parametrize("content", [b"\x00\x01\x02MIT License", b"\x7fELF\x02\x01\x01" + bytes(range(32)) * 20])
def test_a_binary_file_is_listed_and_not_read(site, install, content):
    install("pkg", {"LICENSE": content})
    package = only(site)
    assert (package.files[0].status, package.text) == ("binary", "")


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_listed(site, install, content):
    install("pkg", {"LICENSE": content})
    package = only(site)
    assert (package.files[0].status, package.text) == ("empty", "")


def test_a_file_of_five_megabytes_is_cut_and_keeps_its_size(site, install):
    content = MIT + "x" * 5_000_000
    install("pkg", {"LICENSE": content})
    package = only(site)
    assert (package.files[0].status, package.files[0].size) == ("cut", len(content))
    assert len(package.text) == MAX_TEXT_CHARACTERS
    assert package.text.startswith("MIT License")


def test_a_cut_through_a_character_is_still_utf_8(site, install):
    install("pkg", {"LICENSE": "x" + "é" * MAX_FILE_BYTES})
    assert (only(site).files[0].encoding, only(site).files[0].status) == ("utf-8", "cut")


def test_latin_1_is_read_as_latin_1(site, install):
    install("pkg", {"LICENSE": f"Copyright Gerhard Häring\n{MIT}".encode("latin-1")})
    package = only(site)
    assert package.files[0].encoding == "latin-1"
    assert package.text.startswith("Copyright Gerhard Häring")


def test_utf_16_with_its_mark_is_read(site, install):
    install("pkg", {"LICENSE": MIT.encode("utf-16")})
    assert only(site).text.startswith("MIT License")


def test_a_link_that_leads_out_is_not_followed(site, install, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the secret", encoding="utf-8")
    folder = install("pkg", {"licenses/COPYING": MIT})
    (folder / "licenses" / "LICENSE").symlink_to(secret)
    package = only(site)
    assert {file.path: file.status for file in package.files} == {
        "licenses/LICENSE": "outside",
        "licenses/COPYING": "read",
    }
    assert "secret" not in package.text


def test_a_folder_link_that_leads_out_is_not_entered(site, install, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "LICENSE").write_text("the secret", encoding="utf-8")
    folder = install("pkg", {"COPYING": MIT})
    (folder / "licenses").symlink_to(tmp_path / "elsewhere")
    assert [file.path for file in only(site).files] == ["COPYING"]


def test_pipes_loops_and_dangling_links_are_listed_and_never_block(site, install):
    folder = install("pkg", {"COPYING": MIT})
    os.mkfifo(folder / "LICENSE")
    (folder / "LICENSE.loop").symlink_to(folder / "LICENSE.loop")
    (folder / "LICENSE.gone").symlink_to(folder / "nothing")
    statuses = {file.path: file.status for file in only(site).files}
    assert statuses == {
        "COPYING": "read",
        "LICENSE": "not a file",
        "LICENSE.loop": "unreadable",
        "LICENSE.gone": "unreadable",
    }


def test_a_name_that_is_no_name_is_taken_from_the_folder_and_made_visible(site, install):
    install("ev\u202eil", {"LICENSE": MIT}, said="| [x](http://evil) \x1b[2J")
    (package,) = inventory(site_packages=str(site))
    assert package.name == r"ev\u202eil"


def test_a_distribution_without_readable_metadata_is_listed(site):
    folder = site / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(b"\xff\xfe\x00Name: \x80")
    (folder / "LICENSE").write_text(MIT, encoding="utf-8")
    (package,) = inventory(site_packages=str(site))
    assert (package.name, package.declared.expression) == ("broken", None)


def test_a_folder_without_metadata_is_listed(site):
    folder = site / "empty-1.0.dist-info"
    folder.mkdir()
    (folder / "LICENSE").write_text(MIT, encoding="utf-8")
    (package,) = inventory(site_packages=str(site))
    assert (package.name, package.version, package.declared.origin) == ("empty", "", "nothing declared")


def test_two_folders_of_one_name_are_one_package(site, install):
    install("Some.Pkg", {"LICENSE": MIT}, version="1.0")
    install("some_pkg", {"LICENSE": MIT}, version="2.0")
    assert [package.version for package in inventory(site_packages=str(site))] == ["1.0"]
