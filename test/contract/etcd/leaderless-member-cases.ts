import { Cluster, KV, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { waitFor } from "../../../testing/wait.ts";
import { bytes } from "./fixture.ts";
import {
  type Cases,
  loseLeader,
  type Options,
  PATIENCE_MS,
  titled,
  WITH,
  WITHOUT,
} from "./leaderless-cases.ts";
import type { ThreeMembers } from "./three-members.ts";

/** An answer that comes before this is over was not waited for: a member waits 6 s and longer. */
const SOON_MS = 3_000;
/** The caller's own deadline where etcd has none. */
const CALLER_MS = 5_000;
/** Nothing listens here: the learner never starts. */
const NOBODY = "http://127.0.0.1:1";
const UNKNOWN = 7n;

interface Ids {
  self: bigint;
  /** A voter that is lost. */
  lost: bigint;
  learner: bigint;
}

/** Notes what promotions and removals are answered without a leader, and whether that took time. */
export async function leaderlessMemberCases(members: ThreeMembers): Promise<Cases> {
  const channel = connectGrpc(members.endpoint);
  try {
    const ids = await idsOf(channel);
    await loseLeader(members, channel);
    // All together: calls that wait do so concurrently.
    const waiting = client(channel, KV).put({ key: bytes("k") }, { timeout_ms: SOON_MS });
    let late = false;
    const over = waiting.catch(() => undefined).then(() => (late = true));
    const noted = async (call: Promise<unknown>) => {
      const answer = await answerOf(call);
      return late ? `later: ${answer}` : `at once: ${answer}`;
    };
    const [required, indifferent] = await Promise.all([
      answers(channel, ids, WITH, noted),
      answers(channel, ids, WITHOUT, noted),
      over,
    ]);
    return { ...titled("with hasleader", required), ...titled("without", indifferent) };
  } finally {
    channel.close();
  }
}

async function idsOf(channel: Channel): Promise<Ids> {
  const { memberAdd, memberList } = client(channel, Cluster);
  // Refused at first: etcd wants connections that have been there for five seconds.
  const adding = () => memberAdd({ peerURLs: [NOBODY], isLearner: true });
  const added = await waitFor("a learner", adding, { timeout_ms: PATIENCE_MS });
  const learner = added.member!.ID;
  const self = (await client(channel, Maintenance).status({})).header!.memberId;
  const { members } = await memberList({});
  const lost = members.find(({ ID }) => ID !== self && ID !== learner)!.ID;
  return { self, lost, learner };
}

/** An answer in one line. A deadline's end is the caller's or the member's word, in 3.4 UNKNOWN. */
async function answerOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    const { code, message } = thrown;
    const late = code === "DEADLINE_EXCEEDED" || message === "context deadline exceeded";
    return late ? "DEADLINE_EXCEEDED" : `${code}: ${message}`;
  }
}

async function answers(
  channel: Channel,
  { self, lost, learner }: Ids,
  more: Options,
  noted: (call: Promise<unknown>) => Promise<string>,
): Promise<Cases> {
  const cluster = client(channel, Cluster);
  const within = (timeout_ms: number) => ({ ...more, timeout_ms });
  const promote = (ID: bigint) => cluster.memberPromote({ ID }, within(PATIENCE_MS));
  const remove = (ID: bigint) => cluster.memberRemove({ ID }, within(CALLER_MS));
  const calls: Record<string, Promise<unknown>> = {
    "promote the learner": promote(learner),
    "promote this voter": promote(self),
    "promote a lost voter": promote(lost),
    "promote an unknown member": promote(UNKNOWN),
    "remove this member": remove(self),
    "remove a lost member": remove(lost),
    "remove the learner": remove(learner),
    "remove an unknown member": remove(UNKNOWN),
  };
  const ends = Object.entries(calls).map(async ([what, call]) => [what, await noted(call)]);
  return Object.fromEntries(await Promise.all(ends)) as Cases;
}
