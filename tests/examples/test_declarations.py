from email.message import Message

import pytest

from examples.licence_audit.declarations import declaration


def declared(*headers):
    message = Message()
    for name, value in headers:
        message[name] = value
    return declaration(message)


@pytest.mark.parametrize(
    ("headers", "expression"),
    [
        ([("License-Expression", "mit or apache-2.0")], "MIT OR Apache-2.0"),
        ([("License", "Apache License, Version 2.0")], "Apache-2.0"),
        ([("License", "BSD 3-Clause License")], "BSD-3-Clause"),
        ([("License", "MPL-2.0 AND MIT")], "MPL-2.0 AND MIT"),
        ([("Classifier", "License :: OSI Approved :: ISC License (ISCL)")], "ISC"),
        ([("Classifier", "License :: OSI Approved"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("License-Expression", "MIT"), ("License", "Apache 2.0")], "MIT"),
        (
            [("License", "MIT License\n\nPermission ..."), ("Classifier", "License :: OSI Approved :: MIT License")],
            "MIT",
        ),
        ([("License", "BSD"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
    ],
)
def test_what_metadata_says_is_brought_to_spdx(headers, expression):
    assert declared(*headers).expression == expression


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ([], "nothing declared"),
        ([("License", "UNKNOWN")], "nothing declared"),
        ([("License-Expression", "MIT or or")], "License-Expression is not an SPDX expression"),
        ([("License-Expression", "(" * 5000)], "License-Expression is not an SPDX expression"),
        ([("License", "ask us nicely")], "the License field is not a name that is known here"),
        ([("License", "x" * 10_000)], "the License field holds a text, not a name"),
        (
            [
                ("Classifier", "License :: OSI Approved :: MIT License"),
                ("Classifier", "License :: OSI Approved :: Apache Software License"),
            ],
            "several licence classifiers, which do not say how they go together",
        ),
    ],
)
def test_what_says_no_single_thing_stays_open_and_says_why(headers, origin):
    assert (declared(*headers).expression, declared(*headers).origin) == (None, origin)


def test_a_family_leaves_its_members_open():
    found = declared(("Classifier", "License :: OSI Approved :: BSD License"))
    assert found.expression is None
    assert {"BSD-2-Clause", "BSD-3-Clause"} <= set(found.family)
