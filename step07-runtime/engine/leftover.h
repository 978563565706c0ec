/*
 * leftover: what a monitor that was killed left on the host: state, cgroup, network, ports.
 * Follows runtime.md, "Lifecycle", of the OCI runtime specification. Explained in
 * book/07-runtime.md.
 */
#ifndef BOXSTEP_LEFTOVER_H
#define BOXSTEP_LEFTOVER_H

/* Removes it for the container ID, by a holder of its lock. CGROUP: its path as the record has it,
 * "" unknown: taken where the runtime's state is damaged. What cannot be removed now is left for
 * the next one who asks; nothing is recorded. */
void leftover_clear(const char *id, const char *cgroup);

#endif
