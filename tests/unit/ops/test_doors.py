"""What a command says of a door that said no."""

from ops.doors import refusal


def test_a_refusal_names_each_field_that_is_at_fault() -> None:
    problem = {
        "code": "invalid",
        "title": "The input is not valid",
        "errors": [{"pointer": "/phone", "code": "string_too_short", "detail": "at least 4 characters"}],
    }
    assert refusal("Intake", 422, problem) == (
        "Intake refused (422 invalid): The input is not valid.\n  /phone: at least 4 characters"
    )


def test_a_refusal_without_faults_is_one_sentence() -> None:
    told = refusal("Intake", 409, {"code": "held", "title": "The case is held"})
    assert told == "Intake refused (409 held): The case is held."
