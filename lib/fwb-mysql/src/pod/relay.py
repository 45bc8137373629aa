import os, select, socket, sys
kind, *at = sys.argv[1:]
try:
    s = socket.create_connection((at[0], int(at[1]))) if kind == "tcp" else socket.socket(socket.AF_UNIX)
    s.setsockopt(6, 1, 1) if kind == "tcp" else s.connect(at[0])
except OSError as error:
    sys.exit("error: cannot connect to %s: %s" % (" ".join(at), error.strerror))
s.setblocking(False)
os.set_blocking(1, False)
to, back, room = b"", b"", 1 << 20
try:
    while True:
        reads = [0] * (len(to) < room) + [s] * (len(back) < room)
        r, w, _ = select.select(reads, [1] * bool(back) + [s] * bool(to), [])
        if 1 in w:
            back = back[os.write(1, back):]
        if s in w:
            to = to[s.send(to):]
        if s in r:
            got = s.recv(1 << 18)
            if not got:
                break
            back += got
        if 0 in r:
            got = os.read(0, 1 << 18)
            if not got:
                s.setblocking(True)
                s.sendall(to)
                os._exit(0)
            to += got
    os.set_blocking(1, True)
    while back:
        back = back[os.write(1, back):]
except OSError:
    os._exit(1)
