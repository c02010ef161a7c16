import pytest

from tieline.admin.number_import import MAX_TEXT, read_numbers
from tieline.errors import InvalidInput


def test_numbers_one_a_line_and_ranges() -> None:
    found = read_numbers("+15550100000\n\n +15550100001 - +15550100003 \n", ["+15550100002"])
    assert found.numbers == ("+15550100000", "+15550100001", "+15550100003")
    assert found.repeated == ("+15550100002",)
    assert found.faults == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_column_with_a_heading_is_taken_alone(delimiter: str) -> None:
    rows = [("name", "DNI", "cost"), ("first", "+1 555 010 0000", "12"), ("second", "(555) 010-0001", "15")]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    assert read_numbers(text, default_region="US").numbers == ("+15550100000", "+15550100001")


def test_faults_name_their_line_and_the_rest_is_read() -> None:
    found = read_numbers("number\n+15550100000\nnonsense\n+15550100005-+15550100001\n+15550100000\n")
    assert found.numbers == ("+15550100000",)
    assert found.repeated == ("+15550100000",)
    assert [(one.line, one.text) for one in found.faults] == [
        (3, "nonsense"),
        (4, "+15550100005-+15550100001"),
    ]
    assert "does not run upwards" in found.faults[1].message


def test_empty_text_and_text_that_is_too_long() -> None:
    assert read_numbers("").numbers == ()
    with pytest.raises(InvalidInput, match="the limit"):
        read_numbers("1" * (MAX_TEXT + 1))
    with pytest.raises(InvalidInput, match="line"):
        read_numbers('"' + "1" * 200_000)
