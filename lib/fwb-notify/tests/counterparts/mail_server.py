"""A mail server: aiosmtpd. Prints its port, then each mail as a line of JSON.

mail_server.py plain|starttls|wrapped [CERTIFICATE KEY]

With TLS it takes mail from the user `bob` alone, whose password is `hush/hush`; with `starttls` it takes nothing before
that. Users whose address begins with `nobody` are refused.
"""

import asyncio
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return f"550 no mailbox {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        print(
            json.dumps(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "tls": session.ssl is not None or mode == "wrapped",
                    "login": session.authenticated,
                    "greeting": session.host_name,
                    "content": envelope.content.decode("utf-8"),
                }
            ),
            flush=True,
        )
        return "250 OK"


def knows(server, session, envelope, mechanism, data):
    known = data.login == b"bob" and data.password == b"hush/hush"
    return AuthResult(success=known, handled=False)


async def main():
    context = None
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
    login = {"authenticator": knows, "auth_required": True} if context else {}
    starttls = {"tls_context": context, "require_starttls": True} if mode == "starttls" else {}
    # What is wrapped in TLS is not known to be so by the protocol's state.
    wrapped = {"auth_require_tls": False} if mode == "wrapped" else {}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="mail.test", **login, **starttls, **wrapped),
        "127.0.0.1",
        0,
        ssl=context if mode == "wrapped" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# Tests let TLS and logins fail on purpose.
logging.disable()
warnings.simplefilter("ignore")
mode = sys.argv[1]
asyncio.run(main())
