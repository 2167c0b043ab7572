import { expect, test } from "vitest";
import type { EtcdContext } from "../request/context.ts";
import { staysConnected } from "./member-health.ts";

/** The context of the first of some voters, of which others answer, and of a learner. */
function contextOf(voters: number, answering: number): EtcdContext {
  const ids = Array.from({ length: voters + 1 }, (_, n) => BigInt(n));
  return {
    state: {
      identity: { memberId: 0n },
      membership: { learners: [BigInt(voters)] },
      members: { values: () => ids.map((ID) => ({ ID, name: `m${ID}` })) },
    },
    transport: { connectedSince_ms: (id: bigint) => (id <= answering ? 0 : undefined) },
  } as unknown as EtcdContext;
}

test.each([
  [1, 0, true],
  [2, 1, true],
  [2, 0, false],
  [3, 2, true],
  [3, 1, false],
  [4, 2, true],
  [5, 3, true],
  [5, 2, false],
])("of %i voters %i others answer: one more keeps a quorum: %s", (voters, answering, expected) => {
  expect(staysConnected(contextOf(voters, answering))).toBe(expected);
});
