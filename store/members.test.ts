import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { Cluster, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client } from "@raft2kube/rpc/client.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../testing/free-port.ts";
import { leaderOf, type TestMember, TestMembers, urlOf } from "../testing/store/members.ts";
import { waitFor } from "../testing/wait.ts";

let members: TestMembers;

beforeEach(() => {
  members = new TestMembers();
});
afterEach(() => members.stopAll());

const key = Buffer.from("key");
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

const clusterOf = (member: TestMember) => client(members.channelTo(member), Cluster);
const idOf = async ({ store }: TestMember) => (await store!.client.status()).header!.memberId;

function theLeader(among: TestMember[]): Promise<TestMember> {
  return waitFor("a leader", () => leaderOf(among));
}

/** Writes `count` values of `bytes` each, many at a time. */
async function fill(member: TestMember, count: number, bytes: number): Promise<void> {
  for (let from = 0; from < count; from += 100) {
    const puts = Array.from({ length: Math.min(100, count - from) }, (_, i) => {
      const value = Buffer.alloc(bytes, i);
      return member.store!.client.put({ key: Buffer.from(`fill-${from + i}`), value });
    });
    await Promise.all(puts);
  }
}

test("S2: what one member has acknowledged, every other one reads", async () => {
  const all = await members.startThree();
  for (const writer of all) {
    const { header } = await writer.store!.client.put({ key, value: Buffer.from(writer.name) });
    for (const reader of all) {
      const { kvs } = await reader.store!.client.range({ key });
      expect(kvs[0]).toMatchObject({ value: Buffer.from(writer.name) });
      expect(kvs[0]!.modRevision).toBe(header!.revision);
    }
    const { ID } = await writer.store!.client.leaseGrant({ TTL: 60 });
    expect((await writer.store!.client.leaseKeepAlive({ ID })).TTL).toBe(60);
    expect((await writer.store!.client.leaseTimeToLive({ ID })).grantedTTL).toBe(60);
  }
  const statuses = await Promise.all(all.map(({ store }) => store!.client.status()));
  expect(new Set(statuses.map(({ leader }) => leader)).size).toBe(1);
});

test("a leader that stops hands over; the others go on, and back it catches up", async () => {
  const all = await members.startThree();
  const first = await theLeader(all);
  const { raftTerm } = await first.store!.client.status();
  await members.stop(first);
  const rest = all.filter((member) => member !== first);
  const second = await theLeader(rest);
  // Handed over, not missed: one election, and its winner leads immediately.
  expect((await second.store!.client.status()).raftTerm).toBe(raftTerm + 1);
  await second.store!.client.put({ key, value: Buffer.from("while away") });
  const back = await members.start(first, all);
  expect((await back.client.range({ key, serializable: true })).kvs[0]!.value.toString()).toBe(
    "while away",
  );
});

test("without a majority nothing is acknowledged; with one again everything goes on", async () => {
  const all = await members.startThree();
  const [a, b, c] = all as [TestMember, TestMember, TestMember];
  await a.store!.client.put({ key, value: Buffer.from("before") });
  await Promise.all([members.stop(b), members.stop(c)]);
  const lost = a.store!.client.put({ key, value: Buffer.from("alone") });
  await expect(lost).rejects.toThrow(/request timed out|context deadline exceeded/);
  const { kvs } = await a.store!.client.range({ key, serializable: true });
  expect(kvs[0]!.value.toString()).toBe("before");
  expect((await a.store!.client.status()).errors).toEqual([etcdError("noLeader").message]);
  await members.start(b, all);
  await a.store!.client.put({ key, value: Buffer.from("after") });
});

test("a member that starts without a majority says so on its pages", async () => {
  const all = await members.add("a", "b", "c");
  const [a, b, c] = all as [TestMember, TestMember, TestMember];
  const port = await freePort();
  const starting = members.start(a, all, { listenMetrics: [{ host: "127.0.0.1", port }] });
  const page = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const lives = () =>
    page("/livez")
      .then(({ status }) => status === 200)
      .catch(() => false);
  await waitFor("its pages", lives);
  expect(await page("/health")).toMatchObject({ status: 503 });
  expect(await page("/readyz")).toMatchObject({ status: 503 });
  expect((await page("/metrics")).text).toContain("\netcd_server_has_leader 0\n");
  await Promise.all([starting, members.start(b, all), members.start(c, all)]);
  expect(await page("/health")).toMatchObject({ status: 200 });
});

test("a learner comes by snapshot, is promoted in sync; each wrong step is refused", async () => {
  const all = await members.startThree();
  const [a] = all as [TestMember, ...TestMember[]];
  await fill(a, 500, 1_000);
  const [d] = (await members.add("d")) as [TestMember];
  await expect(members.start(d, [...all, d], {}, "existing")).rejects.toMatchObject({
    code: "NOT_ADDED",
  });
  const cluster = clusterOf(a);
  const reject = async (call: Promise<unknown>, name: Parameters<typeof etcdError>[0]) => {
    const { status, message } = etcdError(name);
    await expect(call).rejects.toMatchObject({ status, message });
  };
  await reject(cluster.memberAdd({ peerURLs: ["here"], isLearner: true }), "badUrls");
  await reject(cluster.memberAdd({ peerURLs: [urlOf(a)], isLearner: true }), "peerUrlExists");
  const added = await cluster.memberAdd({ peerURLs: [urlOf(d)], isLearner: true });
  const { ID } = added.member!;
  const other = { peerURLs: ["http://127.0.0.1:1"], isLearner: true };
  await reject(cluster.memberAdd(other), "tooManyLearners");
  await reject(cluster.memberPromote({ ID }), "learnerNotReady");
  await reject(cluster.memberPromote({ ID: 77n }), "memberNotFound");
  await reject(cluster.memberPromote({ ID: await idOf(a) }), "memberNotLearner");
  await reject(cluster.memberRemove({ ID: 77n }), "memberNotFound");
  const store = await members.start(d, [...all, d], {}, "existing");
  expect((await store.client.range({ ...everything, serializable: true })).count).toBe(500);
  const learner = client(members.channelTo(d), Cluster);
  await reject(learner.memberList({}), "learnerUnsupported");
  const { members: known } = await cluster.memberPromote({ ID });
  expect(known.find((member) => member.ID === ID)).toMatchObject({ name: "d", isLearner: false });
  await store.client.put({ key, value: Buffer.from("from d") });
  await members.stop(d);
  rmSync(d.dataDir, { recursive: true });
  await expect(members.start(d, [...all, d], {}, "existing")).rejects.toMatchObject({
    code: "MEMBER_BOOTSTRAPPED",
  });
});

test("an unknown member is refused as a voter is, also while there is no majority", async () => {
  const [a] = await members.add("a");
  await members.start(a!, [a!]);
  const { memberAdd, memberRemove } = clusterOf(a!);
  const { member } = await memberAdd({ peerURLs: ["http://127.0.0.1:1"] });
  const { status, message } = etcdError("notEnoughStarted");
  const unknown = { ID: member!.ID + 1n };
  await expect(memberRemove(unknown)).rejects.toMatchObject({ status, message });
});

test("a removed member ends and says why; another takes its place", async () => {
  const all = await members.startThree();
  const [a, b, c] = all as [TestMember, TestMember, TestMember];
  const cluster = clusterOf(a);
  await fill(a, 100, 1_000);
  await cluster.memberRemove({ ID: await idOf(c) });
  const ended = await waitFor("its end", () => c.fatal[0]);
  expect(ended).toMatchObject({ code: "MEMBER_REMOVED" });
  await members.stop(c);
  await expect(clusterOf(b).memberRemove({ ID: 1n })).rejects.toThrow("member not found");
  const [d] = (await members.add("d")) as [TestMember];
  const { member } = await cluster.memberAdd({ peerURLs: [urlOf(d)] });
  const store = await members.start(d, [a, b, d], {}, "existing");
  expect(await idOf(d)).toBe(member!.ID);
  expect((await store.client.range(everything)).count).toBe(100);
  // With the newcomer two of three suffice.
  await members.stop(a);
  await d.store!.client.put({ key, value: Buffer.from("without a") });
});

test("S5: cut off for longer than the log reaches, a follower installs a snapshot", async () => {
  const all = await members.startThree();
  const leader = await theLeader(all);
  const cut = all.find((member) => member !== leader)!;
  const stream = cut.store!.client.watch();
  stream.create(everything);
  const responses = stream[Symbol.asyncIterator]();
  await responses.next();
  const before = (await leader.store!.client.put({ key })).header!.revision;
  expect((await responses.next()).value.events).toHaveLength(1);
  cut.proxy.cut();
  const channel = client(members.channelTo(cut), Maintenance);
  // More than the log keeps for members that lag, so that only a snapshot helps.
  await fill(leader, 300, 100_000);
  const last = (await leader.store!.client.put({ key })).header!.revision;
  expect((await channel.status({})).header!.revision).toBe(before);
  cut.proxy.mend();
  const seen: number[] = [];
  while (seen.at(-1) !== last) {
    const { value } = await responses.next();
    seen.push(...value.events.map(({ kv }: { kv?: { modRevision: number } }) => kv!.modRevision));
  }
  expect(seen).toEqual(Array.from({ length: last - before }, (_, i) => before + 1 + i));
  const databases = readdirSync(join(cut.dataDir, "member")).filter((name) => /^db/.test(name));
  expect(databases).toEqual([expect.stringMatching(/^db-[0-9a-f]{16}$/)]);
  stream.close();
  await cut.store!.client.put({ key, value: Buffer.from("goes on") });
});

test("--force-new-cluster: one goes on alone with all it knew", async () => {
  const all = await members.startThree();
  const [a] = all as [TestMember, ...TestMember[]];
  await a.store!.client.put({ key, value: Buffer.from("kept") });
  for (const member of all) await members.stop(member);
  const { client: alone } = await members.start(a, all, { forceNewCluster: true });
  expect((await alone.range({ key })).kvs[0]!.value.toString()).toBe("kept");
  const { members: left } = await clusterOf(a).memberList({ linearizable: true });
  expect(left.map(({ name }) => name)).toEqual(["a"]);
  await members.stop(a);
  const { client: again } = await members.start(a, all);
  await again.put({ key, value: Buffer.from("and on") });
});

test("a member that goes on alone has that on disk before it serves", async () => {
  const all = await members.startThree();
  const [a] = all as [TestMember, ...TestMember[]];
  for (const member of all) await members.stop(member);
  await members.start(a, all, { forceNewCluster: true });
  // The files that a kill at this moment would leave.
  const copy = `${a.dataDir}-copy`;
  cpSync(a.dataDir, copy, { recursive: true });
  await members.stop(a);
  const { client: again } = await members.start({ ...a, dataDir: copy }, all);
  await again.put({ key, value: Buffer.from("and on") });
});

test("the leadership is moved where it is wanted, and nowhere else", async () => {
  const all = await members.startThree();
  const leader = await theLeader(all);
  const target = all.find((member) => member !== leader)!;
  const targetID = await idOf(target);
  const ask = (member: TestMember, id: bigint) =>
    client(members.channelTo(member), Maintenance).moveLeader({ targetID: id });
  await expect(ask(target, targetID)).rejects.toThrow(etcdError("notLeader").message);
  await expect(ask(leader, 5n)).rejects.toThrow(etcdError("badTransferee").message);
  await ask(leader, targetID);
  expect(await leaderOf(all)).toBe(target);
});
