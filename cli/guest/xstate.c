/*
 * Preloaded into User-Mode Linux on processors with AMX. Its register area has room for 2,696 bytes
 * of extended state, as much as a processor without AMX has; the host's kernel refuses to set less
 * than all of it (EFAULT), and the guest's first process dies. Here a request for the first bytes
 * reads and writes the whole state: what lies beyond, AMX's tiles, stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define STATE_BYTES_MAX 65536

typedef long (*ptrace_function)(int, pid_t, void *, void *);

long ptrace(enum __ptrace_request request, ...) {
  static ptrace_function next;
  static char state[STATE_BYTES_MAX];
  va_list arguments;
  va_start(arguments, request);
  pid_t pid = va_arg(arguments, pid_t);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);
  if (!next) next = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
  if (address != (void *)NT_X86_XSTATE ||
      (request != PTRACE_GETREGSET && request != PTRACE_SETREGSET))
    return next(request, pid, address, data);
  struct iovec *wanted = data;
  struct iovec whole = {state, sizeof state};
  long result = next(PTRACE_GETREGSET, pid, address, &whole);
  if (result < 0) return result;
  if (wanted->iov_len > whole.iov_len) wanted->iov_len = whole.iov_len;
  if (request == PTRACE_GETREGSET) {
    memcpy(wanted->iov_base, state, wanted->iov_len);
    return result;
  }
  memcpy(state, wanted->iov_base, wanted->iov_len);
  return next(PTRACE_SETREGSET, pid, address, &whole);
}
