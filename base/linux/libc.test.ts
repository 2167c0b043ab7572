import { constants } from "node:os";
import { expect, test } from "vitest";
import { errnoName } from "./libc.ts";

// openBeneath repeats a lookup on EAGAIN, which was named EWOULDBLOCK: it was never repeated.
test.each([
  [constants.errno.ENOENT, "ENOENT"],
  [constants.errno.EAGAIN, "EAGAIN"],
  [constants.errno.EOPNOTSUPP, "EOPNOTSUPP"],
  [9_999, "E9999"],
])("errno %i is %s", (errno, name) => {
  expect(errnoName(errno)).toBe(name);
});
