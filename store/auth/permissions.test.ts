import { Permission_Type as Type } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { LeaseTable } from "../mvcc/state/lease/lease.ts";
import { AuthTable } from "./auth-table.ts";
import { checkLeaseReads, checkLeaseWrites } from "./authorize.ts";
import { covers, isPermissionRange, mergePermissions } from "./permissions.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const permission = (key: string, end = "", permType: number = Type.READ) => ({
  permType,
  key: bytes(key),
  rangeEnd: bytes(end),
});
const role = (...keyPermission: ReturnType<typeof permission>[]) => ({
  name: bytes("role"),
  keyPermission,
});

test("permissions that meet allow a range across both, a gap does not", () => {
  const { read } = mergePermissions([role(permission("a", "c")), role(permission("c", "e"))]);
  expect(covers(read, bytes("a"), bytes("e"))).toBe(true);
  const gap = mergePermissions([role(permission("a", "c"), permission("ca", "e"))]).read;
  expect(covers(gap, bytes("a"), bytes("e"))).toBe(false);
  expect(covers(gap, bytes("ca"), bytes("e"))).toBe(true);
});

test.each<[string, string, boolean]>([
  ["k", "", true],
  ["k", "k\0", true],
  ["k", "k\0\0", false],
  ["k", "\0", false],
  ["j", "", false],
  ["k\0", "", false],
  ["x", "\0", true],
  ["xyz", "\0", true],
  ["w", "\0", false],
  ["x", "w", false],
  ["y", "xz", true],
])("a key and everything from x on: %j to %j", (key, end, allowed) => {
  const { read } = mergePermissions([role(permission("k"), permission("x", "\0"))]);
  expect(covers(read, bytes(key), bytes(end))).toBe(allowed);
});

test("reading and writing are apart, unless both are given at once", () => {
  const roles = [
    role(permission("r"), permission("w", "", Type.WRITE), permission("b", "", Type.READWRITE)),
  ];
  const { read, write } = mergePermissions(roles);
  const single = (allowed: typeof read, key: string) => covers(allowed, bytes(key), bytes(""));
  expect(["r", "w", "b"].map((key) => single(read, key))).toEqual([true, false, true]);
  expect(["r", "w", "b"].map((key) => single(write, key))).toEqual([false, true, true]);
});

test("a permission names keys: one, an interval that holds some, or all from one on", () => {
  expect(isPermissionRange(permission("a"))).toBe(true);
  expect(isPermissionRange(permission("a", "b"))).toBe(true);
  expect(isPermissionRange(permission("a", "\0"))).toBe(true);
  expect(isPermissionRange(permission("b", "a"))).toBe(false);
  expect(isPermissionRange(permission("a", "a"))).toBe(false);
  expect(isPermissionRange(permission("", "b"))).toBe(false);
});

test("the keys of a lease are looked at once for a caller that may write them all", () => {
  const auth = new AuthTable(() => undefined);
  auth.setEnabled(true);
  auth.putRole(role(permission("a/", "a0", Type.WRITE)));
  for (const user of ["ann", "bob"]) {
    const roles = user === "ann" ? ["role"] : [];
    auth.putUser({ name: bytes(user), password: bytes(""), roles, options: undefined });
  }
  auth.commit();
  const leases = new LeaseTable();
  const lease = leases.add(1n, 60);
  let looks = 0;
  const { keys } = lease;
  lease.keys = Object.assign(keys, {
    *[Symbol.iterator]() {
      for (const key of keys.values()) {
        looks++;
        yield key;
      }
    },
  });
  const writes = (user: string) => {
    checkLeaseWrites({ auth, leases }, { user, revision: auth.revision }, 1n);
  };
  const count = 100;
  for (let i = 0; i < count; i++) {
    writes("ann");
    leases.attach(`a/${i}`, 1n);
  }
  writes("ann");
  expect(looks).toBeLessThan(2 * count);
  // Another caller, another right, another key, other rights: each is checked.
  expect(() => writes("bob")).toThrow("permission denied");
  const ann = { user: "ann", revision: auth.revision };
  expect(() => checkLeaseReads({ auth, leases }, ann, 1n)).toThrow("permission denied");
  writes("ann");
  leases.attach("b", 1n);
  expect(() => writes("ann")).toThrow("permission denied");
  leases.attach("b", 0n);
  writes("ann");
  auth.putRole(role(permission("a/1", "a0", Type.WRITE)));
  auth.commit();
  expect(() => checkLeaseWrites({ auth, leases }, ann, 1n)).toThrow(
    "revision of auth store is old",
  );
  expect(() => writes("ann")).toThrow("permission denied");
});
