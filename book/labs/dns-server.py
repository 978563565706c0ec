#!/usr/bin/env python3
"""dns-server.py ADDRESS: a name server for the lab "dns". Every name is 10.0.0.80 to it."""
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5  # behind the question: name, type, class
    kind = query[end - 4 : end - 2]
    found = kind == b"\0\1"  # an A record
    head = query[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c" + b"\0\1\0\1" + b"\0\0\0\x3c" + b"\0\4" + bytes([10, 0, 0, 80])
    server.sendto(head + query[12:end] + (record if found else b""), client)
