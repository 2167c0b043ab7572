import { expect, test } from "vitest";
import { entryOf, loneReplica, put } from "../../testing/raft/lone-replica.ts";
import type { SnapshotMark } from "../core/types.ts";
import { encodeCommand } from "../mvcc/apply/command.ts";

const TERM = 2;

/** A replica whose installations each wait until the test ends them. */
async function installing() {
  const begun: number[] = [];
  const dropped: number[] = [];
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const replica = await loneReplica({
    install: async (_clock, { index }) => {
      begun.push(index);
      const gate = Promise.withResolvers<void>();
      gates.set(index, gate);
      await gate.promise;
      return {};
    },
    dropSnapshot: ({ index }) => dropped.push(index),
  });
  const { membership } = replica.raft.state;
  const message = (index: number) => {
    const mark: SnapshotMark = { index, term: TERM, membership };
    return { kind: "snapshot", from: 2n, to: 1n, term: TERM, mark } as const;
  };
  return { ...replica, begun, dropped, message, end: (at: number) => gates.get(at)!.resolve() };
}

const entry = (index: number) =>
  entryOf(index, TERM, encodeCommand(put("a"), { session: 6, sequence: index }));

test("of the snapshots that wait, only the newest is installed", async () => {
  const { replica, state, receive, append, settle, begun, dropped, message, end } =
    await installing();
  for (const index of [10, 20, 30, 40]) await receive(message(index));
  expect(begun).toEqual([10]);
  expect(dropped).toEqual([20, 30]);
  expect(replica.installs).toBe(2);
  await append(2n, TERM, [entry(41)]);
  end(10);
  await settle();
  expect(begun).toEqual([10, 40]);
  expect(replica.installs).toBe(1);
  expect(state.appliedIndex).toBe(10);
  end(40);
  await replica.installed();
  expect(begun).toEqual([10, 40]);
  expect(dropped).toEqual([20, 30]);
  expect(replica.installs).toBe(0);
  expect(state.appliedIndex).toBe(41);
  await receive(message(50));
  end(50);
  await replica.installed();
  expect(state.appliedIndex).toBe(50);
});

test("what was committed between two snapshots is applied behind neither", async () => {
  const { raft, replica, state, receive, append, settle, message, end } = await installing();
  await receive(message(10));
  await append(2n, TERM, [entry(11)]);
  // The core has taken the second one, and its record is not on its way to the log yet.
  replica.receive(message(20));
  end(10);
  await replica.installed();
  expect(state.appliedIndex).toBe(10);
  expect(raft.state.applied).toBe(20);
  await settle();
  end(20);
  await replica.installed();
  expect(state.appliedIndex).toBe(20);
  expect(state.revision).toBe(1);
});

test("a snapshot that the core does not take is removed, unless it is pending", async () => {
  const { replica, receive, begun, dropped, message, end } = await installing();
  for (const index of [10, 20]) await receive(message(index));
  // Both once more, as after a stream whose end the leader did not see, and an older one.
  for (const index of [10, 20, 15]) await receive(message(index));
  expect(dropped).toEqual([15]);
  end(10);
  await expect.poll(() => begun).toEqual([10, 20]);
  end(20);
  await replica.installed();
  await receive(message(20));
  expect(dropped).toEqual([15, 20]);
});

test("a member that stops installs no snapshot that waits", async () => {
  const { replica, receive, begun, message, end } = await installing();
  for (const index of [10, 20]) await receive(message(index));
  replica.stop();
  end(10);
  await replica.installed();
  expect(begun).toEqual([10]);
});
