import { constants } from "node:os";
import { expect, test } from "vitest";
import koffi from "./koffi.ts";
import { check, errnoName, libc } from "./libc.ts";

// openBeneath repeats a lookup on EAGAIN, which was named EWOULDBLOCK: it was never repeated.
test.each([
  [constants.errno.ENOENT, "ENOENT"],
  [constants.errno.EAGAIN, "EAGAIN"],
  [constants.errno.EOPNOTSUPP, "EOPNOTSUPP"],
  [9_999, "E9999"],
])("errno %i is %s", (errno, name) => {
  expect(errnoName(errno)).toBe(name);
});

test("a failed call has its own errno, though another is left before it is checked", () => {
  const result = libc.fchdir(-1);
  koffi.errno(0);
  expect(() => check("fchdir", result, "-1")).toThrow("fchdir -1: EBADF");
});
