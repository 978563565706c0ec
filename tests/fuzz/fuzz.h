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

/* DATA with a zero byte after it, for parsers of texts: a copy of exactly that size, so that
 * reading past its end is found. To be freed. */
char *fuzz_text(const uint8_t *data, size_t size);

/* Forgets the error that an input has led to: the next one begins anew. */
void fuzz_forget(void);

#endif
