"""An IMAP server over a folder of mails, on Twisted's own protocol: run by an interpreter that has Twisted.

Prints its port when it is ready. Arguments: folder of ``*.eml``, user, password, certificate with key in PEM or nothing.
"""

# ruff: noqa: N802, A002 -- the names are Twisted's
from __future__ import annotations

import email
import io
import sys
from pathlib import Path

from twisted.cred import checkers, portal
from twisted.internet import endpoints, reactor
from twisted.internet.protocol import Factory
from twisted.mail import imap4
from zope.interface import implementer


@implementer(imap4.IMessage, imap4.IMessageFile)
class Message:
    def __init__(self, number, raw):
        self.number, self.raw = number, raw
        self.parsed = email.message_from_bytes(raw)

    def getUID(self):
        return self.number

    def getFlags(self):
        return []

    def getInternalDate(self):
        return "01-Jan-2026 00:00:00 +0000"

    def getHeaders(self, negate, *names):
        wanted = {(each.decode() if isinstance(each, bytes) else each).lower() for each in names}
        chosen = {name.lower(): value for name, value in self.parsed.items()}
        return {name: value for name, value in chosen.items() if (name in wanted) is not bool(negate)}

    def getBodyFile(self):
        return io.BytesIO(self.raw.split(b"\n\n", 1)[-1])

    def getSize(self):
        return len(self.raw)

    def isMultipart(self):
        return False

    def getSubPart(self, part):
        raise TypeError(part)

    def open(self):
        return io.BytesIO(self.raw)


@implementer(imap4.IMailbox, imap4.ISearchableMailbox)
class Mailbox:
    def __init__(self, folder):
        self.folder = Path(folder)

    def _messages(self):
        files = sorted(self.folder.glob("*.eml"))
        return [Message(number, file.read_bytes()) for number, file in enumerate(files, start=1)]

    def getFlags(self):
        return ["\\Seen"]

    def getHierarchicalDelimiter(self):
        return "/"

    def getUIDValidity(self):
        return 1

    def getUIDNext(self):
        return self.getMessageCount() + 1

    def getUID(self, message):
        return message

    def getMessageCount(self):
        return len(self._messages())

    def getRecentCount(self):
        return 0

    def getUnseenCount(self):
        return 0

    def isWriteable(self):
        return False

    def destroy(self):
        return None

    def requestStatus(self, names):
        return imap4.statusRequestHelper(self, names)

    def addListener(self, listener):
        return None

    def removeListener(self, listener):
        return None

    def search(self, query, uid):
        key, value = (each.decode() if isinstance(each, bytes) else each for each in query)
        if key != "TO":
            raise imap4.IllegalOperation(key)
        # By the words of RFC 3501: the string is contained in the field, whatever the case.
        return [each.number for each in self._messages() if value.lower() in str(each.parsed["To"]).lower()]

    def fetch(self, messages, uid):
        messages.last = self.getMessageCount()
        return [(each.number, each) for each in self._messages() if each.number in messages]


class Account(imap4.MemoryAccount):
    def _emptyMailbox(self, name, id):
        raise imap4.MailboxException("no")


class Realm:
    def __init__(self, folder):
        self.folder = folder

    def requestAvatar(self, avatar, mind, *interfaces):
        account = Account(avatar)
        account.addMailbox("INBOX", Mailbox(self.folder))
        return imap4.IAccount, account, lambda: None


def main(folder, user, password, certificate=""):
    checker = checkers.InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(user.encode(), password.encode())
    gate = portal.Portal(Realm(folder), [checker])
    factory = Factory()

    def build(address):
        server = imap4.IMAP4Server()
        server.portal = gate
        return server

    factory.buildProtocol = build
    kind = (
        f"ssl:0:privateKey={certificate}:certKey={certificate}:interface=127.0.0.1"
        if certificate
        else "tcp:0:interface=127.0.0.1"
    )
    listening = endpoints.serverFromString(reactor, kind + ":interface=127.0.0.1").listen(factory)
    listening.addCallback(lambda port: print(port.getHost().port, flush=True))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
