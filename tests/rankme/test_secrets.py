"""An address is shown without its secrets, however it is written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rankme.secrets import censored, holds_credentials, label, secrets

SECRET = "pl4nted-s3cret"


@pytest.mark.parametrize(
    "uri",
    [
        f"postgresql://user:{SECRET}@host:5432/db",
        f"postgresql://user:a/{SECRET}?#@host/db",
        f"postgresql://host/db?user=me&password={SECRET}",
        f"https://{SECRET}@host/path",
        f"https://host/path?token={SECRET}",
        f"user:{SECRET}@host",
        f"{SECRET}@host",
        f"http://user:{SECRET}@host:no-number",
        f"http://user:{SECRET}/path",
        f"postgresql://user:{SECRET}/db",
        f"postgresql://user:[{SECRET}@host/db",
        f"http://user:%20{SECRET}@host",
        f"http://host:1/?{SECRET}",
        f"http://host:1/#token={SECRET}",
        f"HTTPS://{SECRET}:x@host",
        f"user:{SECRET}/path",
        f"postgresql://user:pass://{SECRET}@host/db",
    ],
)
def test_no_secret_is_in_a_label_or_in_a_censored_message(uri: str) -> None:
    assert SECRET not in label(uri)
    message = f"cannot connect to {uri}: password {SECRET!r} was refused"
    assert SECRET not in censored(message, secrets(uri, {}))


@example("00://")
@given(st.text("0123456789!$%^&/?#@:", min_size=5))
def test_any_password_is_hidden(password: str) -> None:
    uri = f"postgresql://rankme:{password}@host/db"
    assert password not in censored(f"refused: {uri} ({password})", secrets(uri, {}))


def test_passwords_of_the_environment_are_hidden() -> None:
    environment = {"MLFLOW_TRACKING_TOKEN": SECRET, "PGPASSWORD": "another", "HOME": "/home/me"}
    hidden = secrets("http://host", environment)
    assert censored(f"{SECRET} another /home/me", hidden) == "*** *** /home/me"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\t", " "])
def test_a_token_with_a_line_break_is_hidden_however_it_is_shown(end: str) -> None:
    token = SECRET + end
    hidden = secrets("http://host", {"MLFLOW_TRACKING_TOKEN": token})
    for shown in (token, repr(token), f"Bearer {token}", " ".join(token.split())):
        assert SECRET not in censored(f"invalid header: {shown}", hidden)


def test_what_is_no_secret_is_not_hidden() -> None:
    hidden = secrets("http://host:5000/path", {"TOKENIZERS_PARALLELISM": "false"})
    text = "false: http://host:5000/path, /home/me@lab/results/tracking/mlflow.db"
    assert censored(text, hidden) == text
    assert secrets("postgresql://postgres@host/db", {}) == []


@pytest.mark.parametrize(
    ("uri", "holds", "shown"),
    [
        ("http://mlflow.lab:5000", False, "http://mlflow.lab:5000"),
        ("postgresql://me@db.lab/rankme", False, "postgresql://db.lab"),
        ("sqlite:////tmp/mlflow.db", False, "sqlite:////tmp/mlflow.db"),
        ("sqlite:////home/me@lab/mlflow.db", False, "sqlite:////home/me@lab/mlflow.db"),
        ("https://mlflow.lab/#token=word", True, "https://mlflow.lab"),
        ("http://user:word/path", True, "http://***"),
        ("user:word/path", True, "***"),
        ("postgresql://user:word/db", True, "postgresql://***"),
        ("postgresql+psycopg2://me:word@db.lab/rankme", True, "postgresql+psycopg2://db.lab"),
        ("https://token@mlflow.lab", True, "https://mlflow.lab"),
        ("http://user:word@host:5000/at/all?x=y", True, "http://host:5000"),
    ],
)
def test_a_label_names_host_or_file_and_a_config_may_hold_no_credentials(
    uri: str, holds: bool, shown: str
) -> None:
    assert (holds_credentials(uri), label(uri)) == (holds, shown)
