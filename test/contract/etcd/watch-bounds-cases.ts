import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type Channel, connectGrpc } from "@raft2kube/rpc/client.ts";
import { bytes, shorthand } from "./fixture.ts";
import type { Running } from "./implementations.ts";
import { WideStream } from "./wide-watch.ts";

/** A store's answers by request. */
export type Cases = Record<string, string>;

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const PAST = [MIN, MIN + 1n, -(2n ** 53n), -2n, -1n, 0n, 1n, 2n, 3n];
/** No store comes this far. */
const FUTURE = [2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, MAX - 1n, MAX];
const IDS = [MIN, -2n, -1n, 1n, 5n, 2n ** 53n + 1n, MAX];
const k = bytes("k");

/** Asks a new store for watches from the ends of what 64 bits hold. */
export async function watchBoundsCases({ endpoint }: Running): Promise<Cases> {
  // Of one member alone: another may be ahead of it.
  const client = connectEtcd({ endpoints: [endpoint!] });
  const use = shorthand(client);
  const put = () => use.put("k", "v");
  const channel = connectGrpc(endpoint!);
  try {
    await put();
    await put();
    const fresh = await starts(channel, put);
    await client.compact({ revision: 3, physical: true });
    const compacted = await starts(channel, put);
    return {
      ...titled("never compacted", fresh),
      ...titled("compacted at 3", compacted),
      ...(await chosenIds(channel, put)),
      ...(await afterCompaction(channel)),
    };
  } finally {
    channel.close();
    await client.close();
  }
}

const titled = (title: string, cases: Cases): Cases =>
  Object.fromEntries(Object.entries(cases).map(([what, came]) => [`${title}, ${what}`, came]));

type Put = () => Promise<unknown>;

async function starts(channel: Channel, put: Put): Promise<Cases> {
  const cases: Cases = {};
  for (const startRevision of PAST) {
    cases[`from ${startRevision}`] = await firstOf(channel, startRevision, put);
  }
  for (const startRevision of FUTURE) {
    cases[`from ${startRevision}`] = await nothingOf(channel, startRevision, put);
  }
  return cases;
}

/** How a watch from there starts, while the key changes. */
async function firstOf(channel: Channel, startRevision: bigint, put: Put): Promise<string> {
  const stream = new WideStream(channel);
  stream.send({ createRequest: { key: k, startRevision } });
  const created = await stream.next();
  const present = created.header!.revision;
  const first = await stream.nextWhile(put);
  stream.end();
  const [event] = first.events;
  if (!event) return `${described(created)}; ${described(first)}`;
  const revision = event.kv!.modRevision;
  const place = revision > present ? "of the present" : `at ${revision}`;
  return `${described(created)}; ${described(first)}, the first ${place}`;
}

/**
 * Describes the responses of a watch from a future revision until it is cancelled, while the key
 * changes.
 */
async function nothingOf(channel: Channel, startRevision: bigint, put: Put): Promise<string> {
  const stream = new WideStream(channel);
  stream.send({ createRequest: { key: k, startRevision } });
  const created = await stream.next();
  for (let i = 0; i < 3; i++) await put();
  stream.send({ cancelRequest: { watchId: 0n } });
  const last = await stream.next();
  stream.end();
  return `${described(created)}; ${described(last)}`;
}

/** Ids that a client chooses, again while they are taken, and when they are free. */
async function chosenIds(channel: Channel, put: Put): Promise<Cases> {
  const stream = new WideStream(channel);
  const cases: Cases = {};
  const create = async (what: string, watchId: bigint) => {
    stream.send({ createRequest: { key: bytes(`key of ${watchId}`), watchId } });
    cases[what] = described(await stream.next());
  };
  for (const id of IDS) await create(`id ${id}`, id);
  for (const id of IDS) await create(`id ${id} again`, id);
  for (let i = 0; i < 4; i++) await create(`any id, number ${i}`, 0n);
  // An unknown enum value is no request.
  stream.send({ cancelRequest: { watchId: 77n } });
  for (const id of IDS) {
    stream.send({ cancelRequest: { watchId: id } });
    cases[`id ${id} cancelled`] = described(await stream.next());
    await create(`id ${id} when it is free`, id);
  }
  stream.end();
  const negative = new WideStream(channel);
  negative.send({ createRequest: { key: k, watchId: -1n } });
  await negative.next();
  cases["an event of id -1"] = described(await negative.nextWhile(put));
  negative.end();
  return cases;
}

/** Whether a watch that compaction ended still has its id. */
async function afterCompaction(channel: Channel): Promise<Cases> {
  const stream = new WideStream(channel);
  const cases: Cases = {};
  stream.send({ createRequest: { key: k, watchId: 9n, startRevision: 1n } });
  await stream.next();
  cases["id 9, compacted"] = described(await stream.next());
  stream.send({ createRequest: { key: k, watchId: 9n } });
  cases["id 9 after that"] = described(await stream.next());
  stream.send({ cancelRequest: { watchId: 9n } });
  cases["id 9 cancelled after that"] = described(await stream.next());
  stream.end();
  return cases;
}

function described(response: WatchResponse): string {
  const { watchId, created, canceled, compactRevision, cancelReason, events } = response;
  return [
    `watch ${watchId}`,
    ...(created ? ["created"] : []),
    ...(canceled ? ["canceled"] : []),
    ...(compactRevision === 0 ? [] : [`compacted at ${compactRevision}`]),
    ...(cancelReason === "" ? [] : [`"${cancelReason}"`]),
    ...(events.length === 0 ? [] : ["events"]),
  ].join(" ");
}
