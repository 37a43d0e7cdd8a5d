"""Keys: from an encrypted keystore, or from the environment. Never shown, never logged."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from proofyard.core.errors import BadInput
from proofyard.network.messages import Signer

KEY = "PROOFYARD_KEY"  # 32 bytes, hexadecimal
PASSWORD = "PROOFYARD_PASSWORD"  # noqa: S105 - the name of the variable
PASSWORD_FILE = "PROOFYARD_PASSWORD_FILE"  # noqa: S105 - likewise
KEY_BYTES = 32


def signer_from(path: Path | None) -> Signer:
    """Read a key: `PROOFYARD_KEY`, or the keystore at `path`, which is made if there is none.

    The keystore's password is `PROOFYARD_PASSWORD`, or the first line of the file `PROOFYARD_PASSWORD_FILE`. Raises
    BadInput.
    """
    if KEY in os.environ:
        return Signer(_bytes(os.environ[KEY]))
    if path is None:
        raise BadInput("--key", f"a keystore, or the variable {KEY}", "neither")
    password = _password()
    return Signer(_read(path, password) if path.exists() else _make(path, password))


def _bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadInput(KEY, "64 hexadecimal digits", "something else")  # never the key itself
    return key


def _password() -> str:
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if PASSWORD_FILE in os.environ:
        lines = Path(os.environ[PASSWORD_FILE]).read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    raise BadInput("keystore", f"a password in {PASSWORD} or in the file {PASSWORD_FILE}", "neither")


def _read(path: Path, password: str) -> bytes:
    try:
        from eth_account import Account  # noqa: PLC0415 - slow to load, and a key from the environment needs none

        return bytes(Account.decrypt(json.loads(path.read_text(encoding="utf-8")), password))
    except (ValueError, KeyError, TypeError):
        raise BadInput("keystore", f"one that the password opens, at {path}", "another") from None


def _make(path: Path, password: str) -> bytes:
    from eth_account import Account  # noqa: PLC0415 - likewise

    key = secrets.token_bytes(KEY_BYTES)
    store: dict[str, Any] = Account.encrypt(key, password)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(store), encoding="utf-8")
    draft.replace(path)
    return key
