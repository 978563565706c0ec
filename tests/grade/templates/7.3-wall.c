/*
 * wall.c COMMAND…: a command behind a filter of system calls.
 * Follows seccomp(2), bpf(2)'s classic form in <linux/filter.h>. Exercise 7.3: write the filter.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* keyctl: EPERM. clone3: as if the kernel had none. The rest is allowed, of ARCH's calls alone. */
static struct sock_filter filter[] = {
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int
install(void)
{
	struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* The filter as numbers, for whoever wants to ask it what it would say. */
static int
show(void)
{
	for (size_t i = 0; i < sizeof filter / sizeof filter[0]; i++)
		printf("%u %u %u %u\n", filter[i].code, filter[i].jt, filter[i].jf, filter[i].k);
	printf("arch %u keyctl %d clone3 %d\n", ARCH, SYS_keyctl, SYS_clone3);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		return show();
	if (install() < 0) {
		perror("wall");
		return 125;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
