"""A mail server that keeps nothing: every message that it takes is a line of JSON. `ready PORT` comes first; it ends with its standard input.

--certificate and --key: STARTTLS is demanded. --user and --password: AUTH is demanded, too. --port: another than any that is free.
"""

import argparse
import asyncio
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": session.auth_data.decode() if session.auth_data else None,
            "headers": [[name, str(value)] for name, value in message.items()],
            "subject": str(message["Subject"]),
            "text": parts.get("text/plain"),
            "html": parts.get("text/html"),
            "raw": envelope.content.decode("latin-1"),
        }), flush=True)
        return "250 taken"


def main():
    parser = argparse.ArgumentParser()
    for name in ("certificate", "key", "user", "password"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()

    options = {}
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate, given.key)
        options.update(tls_context=context, require_starttls=True)
    if given.user:
        def authenticate(server, session, envelope, mechanism, data):
            right = (data.login, data.password) == (given.user.encode(), given.password.encode())
            return AuthResult(success=right, handled=False, auth_data=data.login if right else None)
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=bool(given.certificate))

    async def serve():
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(Printer(), hostname="localhost", **options), "127.0.0.1", given.port)
        print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.close()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
