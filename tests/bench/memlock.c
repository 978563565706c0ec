/*
 * memlock: a setrlimit that leaves RLIMIT_MEMLOCK alone, for LD_PRELOAD. crun raises that limit
 * before it loads device rules, and ends where it may not (a host without CAP_SYS_RESOURCE), though
 * Linux has not charged BPF to the limit since 5.11. Follows setrlimit(2), ld.so(8).
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int
setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return resource == RLIMIT_MEMLOCK ? 0 : (int)syscall(SYS_setrlimit, resource, limit);
}

int
setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	return setrlimit(resource, (const struct rlimit *)limit);
}
