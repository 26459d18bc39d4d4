"""An upstream for tests/load/gateway.sh: takes uploads of any size and counts them, and holds long polls until it is ended.

python3 upstream.py serve PORT    listens
python3 upstream.py polls URL N   opens N long polls through URL, says when all of them wait upstream, and holds them until its input ends
"""

import socket
import sys
import threading
import urllib.parse

waiting = 0
lock = threading.Lock()


def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    threading.stack_size(128 * 1024)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    global waiting
    reader = connection.makefile("rb", buffering=1 << 20)
    while line := reader.readline():
        length, chunked = 0, False
        while (header := reader.readline().strip().lower()):
            name, _, value = header.partition(b":")
            length = int(value) if name == b"content-length" else length
            chunked = chunked or name == b"transfer-encoding"
        if b"/sync" in line:
            with lock:
                waiting += 1
            connection.recv(1)
            return
        if b"/waiting" in line:
            body = str(waiting).encode()
        else:
            body = str(read(reader, length, chunked)).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def read(reader, length, chunked):
    seen = 0
    while chunked and (size := int(reader.readline(), 16)):
        reader.read(size + 2)
        seen += size
    if chunked:
        reader.readline()
    while seen < length:
        piece = reader.read(min(length - seen, 1 << 20))
        if not piece:
            break
        seen += len(piece)
    return seen


def polls(url, count):
    place = urllib.parse.urlsplit(url)
    held = []
    for _ in range(count):
        connection = socket.create_connection((place.hostname, place.port))
        connection.sendall(b"GET /_matrix/client/v3/sync?timeout=30000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n")
        held.append(connection)
    print("open", flush=True)
    sys.stdin.read()


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    polls(sys.argv[2], int(sys.argv[3]))
