import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { shorthand } from "./fixture.ts";
import { StallingMember, TIMEOUT_MS } from "./stalling-member.ts";

// Takes turns, members under load: the files kill or stall members of a cluster, here while its
// members change, in dying-members.test.ts behind clients over TLS, in members.test.ts processes.
// Those of store/members.test.ts are cut off, and come and go, in every run.

let folder: string;
let all: StallingMember[];

beforeEach(async () => {
  folder = testFolder("r2k-two-changes-");
  all = [];
  for (const name of ["1", "2", "3", "d", "e"]) all.push(await StallingMember.make(name));
});
afterEach(async () => {
  for (const member of all) await member.close();
});

/** The leader `a` and its followers `b` and `c`, all with the whole log, and the learner `d`. */
async function threeAndLearner() {
  const [d, e] = all.slice(3) as [StallingMember, StallingMember];
  const three = all.slice(0, 3);
  for (const member of three) member.start(folder, three, "new");
  for (const member of three) await member.isUp();
  const { leader } = await three[0]!.client.status();
  const ids = await Promise.all(three.map(({ client: own }) => own.status()));
  const at = ids.findIndex(({ header }) => header!.memberId === leader);
  const [a] = three.splice(at, 1) as [StallingMember];
  const [b, c] = three as [StallingMember, StallingMember];
  await a.cluster.memberAdd({ peerURLs: [d.peerUrl], isLearner: true });
  d.start(folder, [a, d], "existing");
  await d.isUp();
  const last = await a.lastIndex();
  for (const member of [b, c, d]) {
    const level = async () => (await member.client.status()).raftAppliedIndex === last;
    await member.until("to apply all", level);
  }
  return { a, b, c, d, e };
}

type Five = Awaited<ReturnType<typeof threeAndLearner>>;

/** Adds the voter d by a and c alone; c is cut off before it learns that this is committed. */
async function addD({ a, b, c, d }: Five): Promise<bigint> {
  const ID = (await d.client.status()).header!.memberId;
  await b.passWrites(0);
  await c.passWrites(0);
  const added = a.cluster.memberPromote({ ID });
  added.catch(() => undefined);
  await b.writeWaits();
  await c.writeWaits();
  c.proxy.cut();
  await c.passWrites(Number.MAX_SAFE_INTEGER);
  await added;
  return ID;
}

/** Adds the voter e by a, d and b, and kills b in its next write. */
async function addE({ a, b, d, e }: Five): Promise<void> {
  const before = await a.lastIndex();
  const added = a.cluster.memberAdd({ peerURLs: [e.peerUrl] });
  added.catch(() => undefined);
  await b.until("to receive it", async () => (await b.lastIndex()) > before);
  // The first of the two changes, then all that followed it.
  await b.passWrites(2);
  await added;
  await b.writeWaits();
  e.start(folder, [a, d, e], "existing");
  await e.isUp();
  await b.kill();
}

test(
  "S11: a crash between two changes of membership does not split the cluster",
  async () => {
    const five = await threeAndLearner();
    const { a, b, c, d, e } = five;
    const ID = await addD(five);
    await addE(five);
    await shorthand(a.client).put("key", "X");

    // Now b and c see each other alone. Each learns from the other's requests for votes.
    const { raftTerm } = await c.client.status();
    for (const member of [a, d, e]) member.signal("SIGSTOP");
    await c.until("to have no leader", async () => (await c.client.status()).leader === 0n);
    c.proxy.mend();
    b.start(folder, [b], "existing");
    const decided = async () => {
      const { members } = await c.cluster.memberList({ linearizable: false });
      const knows = members.some((member) => member.ID === ID && !member.isLearner);
      return knows || (await c.client.status()).leader !== 0n;
    };
    await c.until("to know d, or to have a leader", decided);
    await expect(shorthand(c.client).put("key", "Y")).rejects.toThrow(EtcdError);
    // A pre-vote leaves the term as it is: in a later one, b was elected or stood for election.
    expect((await c.client.status()).raftTerm).toBe(raftTerm);

    for (const member of [a, d, e]) member.signal("SIGCONT");
    for (const member of all) {
      await member.isUp();
      const found = await member.until("to answer", () => shorthand(member.client).get("key"));
      expect(String(found.value), member.name).toBe("X");
      const { members } = await member.cluster.memberList({ linearizable: true });
      expect(
        members.map(({ isLearner }) => isLearner),
        member.name,
      ).toEqual(Array(5).fill(false));
    }
    const hashes = await Promise.all(all.map((each) => each.maintenance.hashKV({ revision: 2 })));
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
  },
  5 * TIMEOUT_MS,
);
