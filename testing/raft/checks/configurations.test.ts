import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { expect, test } from "vitest";
import { Configurations } from "./configurations.ts";

const of = (...voters: MemberId[]) => initialMembership(voters);

test("quorums intersect: one voter at a time passes, and so does a joint change", () => {
  const configurations = new Configurations(of(1n, 2n, 3n));
  configurations.applied(1n, 5, of(1n, 2n, 3n, 4n));
  configurations.applied(2n, 5, of(1n, 2n, 3n, 4n));
  configurations.applied(1n, 9, { ...of(4n, 5n, 6n), outgoing: [1n, 2n, 3n, 4n] });
  configurations.applied(1n, 10, of(4n, 5n, 6n));
  expect(configurations.compared).toBe(3);
  expect(configurations.newest).toMatchObject({ index: 10, membership: of(4n, 5n, 6n) });
});

test("quorums intersect: two voters exchanged at once are found", () => {
  const configurations = new Configurations(of(1n, 2n, 3n));
  expect(() => configurations.applied(1n, 5, of(1n, 4n, 5n))).toThrow("quorums intersect");
});

test("configurations agree: another one at the same index is found, and a late first one", () => {
  const configurations = new Configurations(of(1n, 2n, 3n));
  configurations.applied(1n, 5, of(1n, 2n));
  expect(() => configurations.applied(2n, 5, of(1n, 3n))).toThrow("others [1 2]");
  expect(() => configurations.applied(2n, 4, of(1n, 2n, 3n, 4n))).toThrow("after 5");
  configurations.has(2n, 4, of(1n, 2n, 3n));
  configurations.has(2n, 7, of(1n, 2n));
  expect(() => configurations.has(2n, 7, of(1n, 2n, 3n))).toThrow("2 at 7 has [1 2 3]");
});
