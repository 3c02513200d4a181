"""The contract modules import and hold their first promises."""

from session_scoping import SessionTags


def test_session_tags_never_print_their_values() -> None:
    """A repr names the tags and hides what they hold."""
    assert "secret-user" not in repr(SessionTags(user_id="secret-user", task_id="T1"))
