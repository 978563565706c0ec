/*
 * takeapart: an image archive (`docker save`, `podman save`, `skopeo copy … oci-archive:`) becomes
 * a layout directory.
 *
 * Whatever the archive calls its files, here each gets the digest of its bytes as its name, so
 * nothing in it can choose where it goes. Follows image-layout.md, docker's image spec v1.2
 * ("Combined Image JSON + Filesystem Changeset Format"). Part of the program boxstep-unpack.
 * Explained in book/05-overlay.md.
 */
#ifndef BOXSTEP_TAKEAPART_H
#define BOXSTEP_TAKEAPART_H

/*
 * Reads the archive FD (tar, also gzip'd or zstd'd) and fills the empty directory DIR:
 * the blobs and index.json. TAG chooses from several images of a docker archive ("": the only
 * one). EINVAL when it is neither of the two formats, EFBIG above 64 GiB or 10,000 members,
 * and for one that grows as no archive does (inflate_limits).
 */
int takeapart(int fd, int dir, const char *tag);

#endif
