"""Signs in the fuzzer with its own token. Creates a new token every few seconds, because the fuzzer also deletes tokens and users."""

import json
import os
import subprocess

import schemathesis

FOREBAY = os.environ["FOREBAY"]


def forebay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FOREBAY, *arguments, "--output", "json"], capture_output=True, text=True)


@schemathesis.auth(refresh_interval=20)
class FreshToken:
    def get(self, case, context):
        created = self.token()
        if created.returncode != 0:
            forebay("users", "create", "fuzz", "--no-password", "--role", "administrator")
            created = self.token()
        if created.returncode != 0:
            raise RuntimeError(created.stderr)
        return json.loads(created.stdout)["token"]

    @staticmethod
    def token() -> subprocess.CompletedProcess[str]:
        return forebay("tokens", "create", "--label", "fuzz", "--role", "administrator", "--user", "fuzz")

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
