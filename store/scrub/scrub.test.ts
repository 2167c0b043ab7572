import { rmSync } from "node:fs";
import { Cluster, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaderOf, type TestMember, TestMembers, urlOf } from "../../testing/store/members.ts";
import { waitFor } from "../../testing/wait.ts";
import { bucket } from "../mvcc/persist/restore/restore.ts";
import { Backends } from "../node/backends.ts";

const key = Buffer.from("key");
const CHECK = { corruptCheckInterval_ms: 200 };
let members: TestMembers;

beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

const maintenance = (member: TestMember) => client(members.channelTo(member), Maintenance);
const idOf = async ({ store }: TestMember) => (await store!.client.status()).header!.memberId;

/** Changes a value in a stopped member's database, as no member would. */
async function falsify({ dataDir }: TestMember): Promise<void> {
  const { backend } = await new Backends(dataDir).openNewest();
  for await (const chunk of backend.scan(bucket("key"))) {
    const [recordKey, value] = chunk[0]!;
    const wrong = Buffer.from(value);
    wrong[wrong.length - 1]! ^= 1;
    // A record is written once: this one goes before another takes its place.
    const removal = { key: recordKey, value: undefined };
    await backend.writeBatch([removal, { key: recordKey, value: wrong }], { sync: true });
    break;
  }
  await backend.close();
}

async function oneWrong(more: object): Promise<[TestMember, TestMember[], TestMember[]]> {
  const all = await members.startThree();
  for (let i = 0; i < 20; i++) {
    await all[0]!.store!.client.put({ key, value: Buffer.from(`value ${i}`) });
  }
  const leader = await waitFor("a leader", () => leaderOf(all));
  const wrong = all.find((member) => member !== leader)!;
  const right = all.filter((member) => member !== wrong);
  for (const member of all) await members.stop(member);
  await falsify(wrong);
  await Promise.all(all.map((member) => members.start(member, all, more)));
  return [wrong, right, all];
}

test("S8: a member whose data differs is found, halts, and is rebuilt", async () => {
  const [wrong, right, all] = await oneWrong(CHECK);
  const id = await idOf(right[0]!);
  await waitFor("the member to halt", () => wrong.fatal.length > 0);
  expect(wrong.fatal[0]).toMatchObject({ code: "MEMBER_CORRUPT" });
  const { remedy } = wrong.fatal[0] as { remedy: string };
  const wrongId = BigInt(`0x${/member remove ([0-9a-f]+)/.exec(remedy)![1]!}`);
  expect(wrongId).not.toBe(id);
  await members.stop(wrong);
  // Neither does it serve after a restart.
  await expect(members.start(wrong, all)).rejects.toMatchObject({ code: "MEMBER_CORRUPT" });

  // The others reject writes until an operator clears the alarm.
  const { client: store } = right[0]!.store!;
  await expect(store.put({ key })).rejects.toThrow("etcdserver: corrupt cluster");
  const { alarms } = await maintenance(right[0]!).alarm({});
  expect(alarms).toEqual([{ memberID: wrongId, alarm: 2 }]);

  // As the remedy says.
  const cluster = client(members.channelTo(right[0]!), Cluster);
  await cluster.memberRemove({ ID: wrongId });
  await maintenance(right[0]!).alarm({ action: 2, memberID: wrongId, alarm: 2 });
  await cluster.memberAdd({ peerURLs: [urlOf(wrong)] });
  rmSync(wrong.dataDir, { recursive: true });
  wrong.fatal.length = 0;
  const back = await members.start(wrong, all, CHECK, "existing");
  await store.put({ key, value: Buffer.from("again") });
  const { kvs } = await back.client.range({ key });
  expect(kvs[0]!.value.toString()).toBe("again");
  // Hashes are of what a member has applied: a linearizable read waits for that.
  for (const each of all) await each.store!.client.range({ key });
  const hashes = await Promise.all(all.map((each) => maintenance(each).hashKV({})));
  expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
});

test("a member that is asked to compares before it serves", async () => {
  const [wrong, , all] = await oneWrong({ corruptCheckInterval_ms: 0 });
  await members.stop(wrong);
  const initialCorruptCheck = true;
  await expect(members.start(wrong, all, { initialCorruptCheck })).rejects.toMatchObject({
    code: "MEMBER_CORRUPT",
  });
  await members.start(wrong, all);
});

test("members agree on each revision while keys change and are compacted", async () => {
  const all = await members.startThree({ initialCorruptCheck: true });
  const { client: store } = all[0]!.store!;
  const services = all.map(maintenance);
  let compared = 0;
  for (let i = 0; i < 12; i++) {
    for (let n = 0; n < 20; n++) await store.put({ key: Buffer.from(`key-${n % 7}`) });
    const { header } = await store.deleteRange({ key: Buffer.from(`key-${i % 7}`) });
    const { revision } = header!;
    const writing = store.put({ key, value: Buffer.from(`${i}`) });
    if (i % 3 === 2) await store.compact({ revision: revision - 5 });
    // After a linearizable read every member has all acknowledged writes.
    for (const each of all) await each.store!.client.range({ key });
    const answers = await Promise.all(services.map((each) => each.hashKV({ revision })));
    const hashes = answers.map(({ hash, compactRevision }) => `${compactRevision} ${hash}`);
    expect(new Set(hashes).size, hashes.join()).toBe(1);
    compared++;
    await writing;
  }
  expect(compared).toBe(12);
  expect((await services[0]!.alarm({})).alarms).toEqual([]);
});
