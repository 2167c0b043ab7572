import { cpSync, rmSync } from "node:fs";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaderOf, type TestMember, TestMembers } from "../testing/store/members.ts";
import { waitFor } from "../testing/wait.ts";

const key = Buffer.from("key");
let members: TestMembers;

beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

/**
 * Starts some of the members, writes `count` entries, and stops them again; resolves with the term
 * of the last one.
 */
async function write(some: TestMember[], all: TestMember[], entries: number): Promise<number> {
  await Promise.all(some.map((member) => members.start(member, all)));
  const { client: store } = some[0]!.store!;
  for (let i = 0; i < entries; i++) await store.put({ key, value: key });
  const { raftTerm } = await store.status();
  for (const member of some) await members.stop(member);
  return raftTerm;
}

/** Copies the members' data directories away; what is returned puts the copies back. */
function save(some: TestMember[]): () => void {
  const copyOf = ({ dataDir }: TestMember) => `${dataDir}-saved`;
  for (const each of some) cpSync(each.dataDir, copyOf(each), { recursive: true });
  return () => {
    for (const each of some) {
      rmSync(each.dataDir, { recursive: true });
      cpSync(copyOf(each), each.dataDir, { recursive: true });
    }
  };
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
  const restore = save([b, c]);
  // Few entries in several terms, where b and c have many in one: each shows by its term.
  await write([a, b], all, 1);
  const term = await write([a, b], all, 1);
  // After more than one election theirs may be the term of a's last entry, which then looks alike.
  do restore();
  while ((await write([b, c], all, 30)) === term);
  return { all, idOfA };
}

test("S8: where two majorities decided apart, a member ends, and an alarm is raised", async () => {
  const { all, idOfA: memberID } = await decideApart();
  const [a, ...others] = all as [TestMember, TestMember, TestMember];
  await Promise.all(others.map((member) => members.start(member, all)));
  const leader = await waitFor("a leader", () => leaderOf(others));
  // It may end before it has started.
  await Promise.allSettled([members.start(a, all)]);
  await waitFor("the member to end", () => a.fatal.length > 0);
  expect(a.fatal[0]).toMatchObject({ code: "COMMIT_CONFLICT" });
  expect(String(a.fatal[0])).toMatch(/entry [0-9]+ is committed here in the form of term [0-9]+/);

  const channel = connectGrpc(`http://${leader.store!.address}`);
  const alarms = async () => (await client(channel, Maintenance).alarm({})).alarms;
  await waitFor("the alarm", async () => (await alarms()).length > 0);
  expect(await alarms()).toEqual([{ memberID, alarm: 2 }]);
  await expect(leader.store!.client.put({ key })).rejects.toThrow("corrupt cluster");
  channel.close();
});
