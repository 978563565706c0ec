/*
 * leave.c FILE: run by root in a root that was made by chroot(2), on a mount over the host's /.
 * Follows chroot(2), setns(2), umount(2). Exercise 3.4: write leave().
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* After this, / is the host's. 0 or −1. */
static int
leave(void)
{
	return -1;
}

int
main(int argc, char **argv)
{
	char text[256];
	FILE *file;

	if (argc != 2)
		return 2;
	if (leave() < 0 || !(file = fopen(argv[1], "re"))) {
		perror(argv[1]);
		return 1;
	}
	while (fgets(text, sizeof text, file))
		fputs(text, stdout);
	fclose(file);
	return 0;
}
