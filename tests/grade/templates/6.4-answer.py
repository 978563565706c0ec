"""answer.py ADDRESS: run in the network namespace of a container; whoever asks for a name there is told ADDRESS."""


def answer(query, address):
    """The packet that says that the name in QUERY is ADDRESS, four bytes."""
    end = query.index(b"\0", 12) + 5
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + address
