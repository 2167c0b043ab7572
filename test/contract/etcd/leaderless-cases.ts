import type { Init } from "@raft2kube/proto/codec.ts";
import {
  Auth,
  Cluster,
  KV,
  Lease,
  Maintenance,
  Watch,
  type WatchRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { waitFor } from "../../../testing/wait.ts";
import { bytes } from "./fixture.ts";
import { Requests } from "./requests.ts";
import type { ThreeMembers } from "./three-members.ts";

/** Longer than a member waits for a leader, on a busy machine too. */
export const PATIENCE_MS = 60_000;
const LEASE = 5n;
const k = bytes("k");
/** Metadata of a client that prefers an error to a wait when there is no leader. */
export const WITH = { metadata: { hasleader: "true" } };
export const WITHOUT = { metadata: {} };

/** A read that needs no leader, unless its metadata say so. */
const LOCAL = { key: k, serializable: true };

/** Outcomes by request. */
export type Cases = Record<string, string>;

/** How a call ended, in one line. */
async function recorded(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (thrown) {
    if (thrown instanceof RpcError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
}

/** Takes a member its leader, and notes what it answers with and without metadata `hasleader`. */
export async function leaderlessCases(members: ThreeMembers): Promise<Cases> {
  const channel = connectGrpc(members.endpoint);
  try {
    await client(channel, Lease).leaseGrant({ ID: LEASE, TTL: 3_600 });
    // Again where an election comes in between.
    const opening = () => Promise.all([openStreams(channel, WITH), openStreams(channel, WITHOUT)]);
    const open = await waitFor("streams", opening, { timeout_ms: PATIENCE_MS });
    const { range } = client(channel, KV);
    await loseLeader(members, channel);
    // All together: calls that wait for a leader do so concurrently.
    const ends = endsOf(open[0]);
    const [ended, kept, unary, required, indifferent, pages] = await Promise.all([
      ends,
      stillServed(open[1], ends),
      answers(channel, WITH),
      newStreams(channel, WITH),
      answers(channel, WITHOUT),
      pagesOf(members.endpoint),
    ]);
    const other = { metadata: { hasleader: "TRUE" } };
    return {
      ...titled("open, with hasleader", ended),
      ...titled("open, without", kept),
      ...titled("with hasleader", { ...unary, ...required }),
      ...titled("without", indifferent),
      "with another word, range": await recorded(range(LOCAL, other)),
      ...pages,
    };
  } finally {
    channel.close();
  }
}

/** Takes the other two members away; returns when the one that stays knows of no leader. */
export async function loseLeader(members: ThreeMembers, channel: Channel): Promise<void> {
  const { range } = client(channel, KV);
  await members.loseOthers();
  const refused = () => recorded(range(LOCAL, WITH)).then((answer) => answer !== "answered");
  await waitFor("the leader's end", refused, { timeout_ms: PATIENCE_MS });
}

export const titled = (title: string, cases: Cases): Cases =>
  Object.fromEntries(Object.entries(cases).map(([what, came]) => [`${title}: ${what}`, came]));

export type Options = typeof WITH | typeof WITHOUT;

/** Streams that have each had an answer. */
async function openStreams(channel: Channel, options: Options) {
  const watching = new Requests<Init<WatchRequest>>({ createRequest: { key: k } });
  const renewing = new Requests({ ID: LEASE });
  const watch = client(channel, Watch).watch(watching, options)[Symbol.asyncIterator]();
  const keepAlive = client(channel, Lease).leaseKeepAlive(renewing, options);
  const renewals = keepAlive[Symbol.asyncIterator]();
  const health = client(channel, Health).watch({ service: "" }, options)[Symbol.asyncIterator]();
  await Promise.all([watch.next(), renewals.next(), health.next()]);
  return { watching, renewing, watch, renewals, health };
}

type Open = Awaited<ReturnType<typeof openStreams>>;

async function endsOf({ watch, renewals, health }: Open): Promise<Cases> {
  const [watched, renewed, looked] = await Promise.all([
    recorded(watch.next()),
    recorded(renewals.next()),
    recorded(health.next()),
  ]);
  return { watch: watched, "lease keep-alive": renewed, "health watch": looked };
}

/**
 * When those that asked for it have ended, the others go on: a watch does what it is asked, the
 * health has not changed; a lease waits for a leader.
 */
async function stillServed(open: Open, others: Promise<unknown>): Promise<Cases> {
  const { watching, renewing, watch, renewals, health } = open;
  const change = health.next().then(
    () => "changed",
    () => "ended",
  );
  renewing.send({ ID: LEASE });
  const renewal = recorded(renewals.next());
  await others;
  watching.send({ cancelRequest: { watchId: 0n } });
  const { value } = await watch.next();
  const renewed = await renewal;
  const looked = await Promise.race([change, Promise.resolve("the same")]);
  watching.end();
  renewing.end();
  return {
    watch: value?.canceled ? "cancelled when asked" : "not cancelled",
    "lease keep-alive": renewed,
    "health watch": looked,
  };
}

async function newStreams(channel: Channel, options: Options): Promise<Cases> {
  const first = (stream: AsyncIterable<unknown>) => recorded(stream[Symbol.asyncIterator]().next());
  const watching = new Requests({ createRequest: { key: k } });
  const renewing = new Requests({ ID: LEASE });
  return {
    watch: await first(client(channel, Watch).watch(watching, options)),
    "lease keep-alive": await first(client(channel, Lease).leaseKeepAlive(renewing, options)),
    snapshot: await first(client(channel, Maintenance).snapshot({}, options)),
    "health watch": await first(client(channel, Health).watch({ service: "" }, options)),
  };
}

/** One call of each kind. */
async function answers(channel: Channel, more: Options): Promise<Cases> {
  const kv = client(channel, KV);
  const lease = client(channel, Lease);
  const maintenance = client(channel, Maintenance);
  const health = client(channel, Health);
  const options = { ...more, timeout_ms: PATIENCE_MS };
  const calls: Record<string, Promise<unknown>> = {
    range: kv.range({ key: k }, options),
    "serializable range": kv.range({ key: k, serializable: true }, options),
    put: kv.put({ key: k }, options),
    "delete range": kv.deleteRange({ key: k }, options),
    txn: kv.txn({ success: [{ requestPut: { key: k } }] }, options),
    "txn that reads": kv.txn({ success: [{ requestRange: { key: k } }] }, options),
    compact: kv.compact({ revision: 1 }, options),
    "lease grant": lease.leaseGrant({ TTL: 60 }, options),
    "lease revoke": lease.leaseRevoke({ ID: LEASE }, options),
    "lease time to live": lease.leaseTimeToLive({ ID: LEASE }, options),
    "member list": client(channel, Cluster).memberList({ linearizable: true }, options),
    "member list, local": client(channel, Cluster).memberList({}, options),
    status: maintenance.status({}, options),
    "hash of revisions": maintenance.hashKV({}, options),
    "move leader": maintenance.moveLeader({ targetID: 7n }, options),
    "user add": client(channel, Auth).userAdd({ name: "u", password: "p" }, options),
    "health check": health.check({ service: "" }, options),
    "health check of a service": health.check({ service: "etcdserverpb.KV" }, options),
  };
  const ends = Object.entries(calls).map(async ([what, call]) => [what, await recorded(call)]);
  return Object.fromEntries(await Promise.all(ends)) as Cases;
}

const PAGES = [
  "/health",
  "/health?serializable=true",
  "/livez",
  "/livez?verbose",
  "/livez/serializable_read",
  "/readyz",
  "/readyz?verbose&exclude=linearizable_read",
  "/readyz/linearizable_read",
  "/readyz/serializable_read",
  "/readyz/non_learner?verbose",
];

/** Each page's status, kind and lines; etcd's order of the lines is any. */
async function pagesOf(endpoint: string): Promise<Cases> {
  const recorded = PAGES.map(async (path) => {
    const answer = await fetch(`${endpoint}${path}`);
    const lines = (await answer.text()).split("\n").sort().join("|");
    return [path, `${answer.status} ${answer.headers.get("content-type")} ${lines}`];
  });
  return Object.fromEntries(await Promise.all(recorded)) as Cases;
}
