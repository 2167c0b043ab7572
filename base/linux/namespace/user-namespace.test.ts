import { expect, test } from "vitest";
import { inUserNamespace, isMapped, mappedFromZero, parseIdMap } from "./user-namespace.ts";

test("one id, as an ordinary user maps without help", () => {
  const users = parseIdMap("         0      65534          1\n");
  expect(users).toEqual([{ first: 0, count: 1 }]);
  expect(isMapped(users, 0)).toBe(true);
  expect(isMapped(users, 1)).toBe(false);
  expect(inUserNamespace({ users, groups: users })).toBe(true);
});

test("several ranges count together when nothing is between them", () => {
  const ranges = parseIdMap("1 100000 65535\n0 1000 1\n70000 300000 5\n");
  expect(mappedFromZero(ranges)).toBe(65_536);
  expect(isMapped(ranges, 70_004)).toBe(true);
  expect(isMapped(ranges, 69_999)).toBe(false);
});

test("the machine's own namespace has all", () => {
  const users = parseIdMap("         0          0 4294967295\n");
  expect(inUserNamespace({ users, groups: users })).toBe(false);
});
