/*
 * fuzz: what the targets of libFuzzer share. Each is one file with a LLVMFuzzerTestOneInput, and
 * its seeds are in tests/fuzz/corpus/NAME.
 *
 * Follows the libFuzzer page of LLVM's documentation. `make fuzz` runs them.
 */
#ifndef BOXSTEP_FUZZ_H
#define BOXSTEP_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input: nothing that it says may be believed. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once, before the first, where a target has it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* DATA with a zero byte after it, for parsers of texts: a copy of exactly that size, so that
 * reading past its end is found. To be freed. */
char *fuzz_text(const uint8_t *data, size_t size);

/* For LLVMFuzzerInitialize: a tmpfs over PATH in a mount namespace of the fuzzer's own (without
 * root in a user namespace too), so that what an input makes there is nobody else's, and ends with
 * it. Gives its descriptor. */
int fuzz_own(const char *path);

/* Writes TEXT to the file NAME below DIR, which is what the code under test reads. */
void fuzz_put(int dir, const char *name, const char *text);

/* Forgets the error that an input has led to: the next one begins anew. */
void fuzz_forget(void);

#endif
