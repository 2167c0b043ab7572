import { cpSync, rmSync } from "node:fs";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestMember, TestMembers, leaderOf } from "./testing/members.ts";

const clock = systemClock();
const key = Buffer.from("key");
let members: TestMembers;

beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

/** Starts some of the members, writes so many entries, and stops them again. */
async function write(some: TestMember[], all: TestMember[], entries: number): Promise<void> {
  await Promise.all(some.map((member) => members.start(member, all)));
  for (let i = 0; i < entries; i++) await some[0]!.store!.client.put({ key, value: key });
  for (const member of some) await members.stop(member);
}

/**
 * Two majorities that have decided apart: a and b, then b and c, which do not know of it, as b was
 * given back an earlier copy of its data directory meanwhile.
 */
async function decideApart(): Promise<{ all: TestMember[]; idOfA: bigint }> {
  const all = await members.startThree();
  const [a, b, c] = all as [TestMember, TestMember, TestMember];
  await a.store!.client.put({ key, value: Buffer.from("before") });
  const idOfA = (await a.store!.client.status()).header!.memberId;
  for (const member of all) await members.stop(member);
  const saved = `${b.dataDir}-saved`;
  cpSync(b.dataDir, saved, { recursive: true });
  // Few entries in several terms, where b and c have many in one: each shows by its term.
  for (let times = 0; times < 2; times++) await write([a, b], all, 1);
  rmSync(b.dataDir, { recursive: true });
  cpSync(saved, b.dataDir, { recursive: true });
  await write([b, c], all, 30);
  return { all, idOfA };
}

test("S8: where two majorities decided apart, a member ends, and an alarm is raised", async () => {
  const { all, idOfA: memberID } = await decideApart();
  const [a, ...others] = all as [TestMember, TestMember, TestMember];
  await Promise.all(others.map((member) => members.start(member, all)));
  const leader = await waitFor("a leader", () => leaderOf(others), { clock });
  // It may end before it has started.
  await Promise.allSettled([members.start(a, all)]);
  await waitFor("the member to end", () => a.fatal.length > 0, { clock });
  expect(a.fatal[0]).toMatchObject({ code: "COMMIT_CONFLICT" });
  expect(String(a.fatal[0])).toMatch(/entry [0-9]+ is committed here in the form of term [0-9]+/);

  const channel = connectGrpc(`http://${leader.store!.address}`);
  const alarms = async () => (await client(channel, Maintenance).alarm({})).alarms;
  await waitFor("the alarm", async () => (await alarms()).length > 0, { clock });
  expect(await alarms()).toEqual([{ memberID, alarm: 2 }]);
  await expect(leader.store!.client.put({ key })).rejects.toThrow("corrupt cluster");
  channel.close();
});
