import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { isExpired } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { Event_EventType } from "@raft2kube/proto/gen/etcd.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { afterEach, expect, it } from "vitest";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { leaderOf, type TestMember, TestMembers } from "../../testing/store/members.ts";
import { waitFor } from "../../testing/wait.ts";
import { type Change, contradictionIn, type Observation } from "../testing/client-history.ts";

const clock = systemClock();
const PREFIX = "/registry/configmaps/travel/";
const INFORMERS = 3;
/** Observations that each client makes between two faults. */
const FURTHER = 10;
const NAMES = ["a", "b", "c", "d", "e", "f"];

const CORE = { group: "", version: "v1" };
const MAPS = { ...CORE, plural: "configmaps", kind: "ConfigMap", namespaced: true };
const NAMESPACES = { ...CORE, plural: "namespaces", kind: "Namespace", namespaced: false };

let undo: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const each of undo.reverse()) await each();
  undo = [];
});

/** Each request goes to one of the servers, as through a balancer that knows nothing of them. */
function balanced(transports: readonly Transport[], random: Random): Transport {
  return {
    send: (request) => pick(random, transports).send(request),
    fetch: (request) => pick(random, transports).fetch(request),
    close: () => transports.forEach((each) => each.close()),
  };
}

async function clientOf(servers: readonly TestApiserver[], random: Random): Promise<KubeClient> {
  const connections = await Promise.all(
    servers.map(async (server) => ({
      ...{ server: server.server, ca: server.ca.cert },
      ...(await server.credentials("a", ["system:masters"])),
    })),
  );
  const transport = balanced(
    connections.map((each) => httpTransport(each, clock)),
    random,
  );
  undo.push(() => transport.close());
  return new KubeClient({ ...connections[0]!, transport, qps: 1_000, burst: 1_000 });
}

const revisionOf = ({ metadata }: { metadata: { resourceVersion?: string } }) =>
  Number(metadata.resourceVersion);

/** Lists, watches from there, lists again only after 410, as informers do; records all events. */
async function inform(maps: ResourceClient<KubeObject>, into: Observation[], signal: AbortSignal) {
  let revision: number | undefined;
  while (!signal.aborted) {
    try {
      revision ??= await list(maps, into, signal);
      const resourceVersion = String(revision);
      const options = { namespace: "travel", resourceVersion, allowWatchBookmarks: true, signal };
      for await (const { type, object } of maps.watch(options)) {
        revision = revisionOf(object);
        if (type === "BOOKMARK") into.push({ saw: "bookmark", revision });
        else into.push({ saw: "event", type, name: object.metadata.name!, revision });
      }
    } catch (thrown) {
      if (isExpired(thrown)) revision = undefined;
    }
    await delay(clock, 20, signal);
  }
}

async function list(
  maps: ResourceClient<KubeObject>,
  into: Observation[],
  signal: AbortSignal,
): Promise<number> {
  // Pages of one list may come from different servers.
  const { items, metadata } = await maps.listAll({ namespace: "travel", limit: 2, signal });
  const objects = new Map(items.map((item) => [item.metadata.name!, revisionOf(item)]));
  const revision = revisionOf({ metadata });
  into.push({ saw: "list", revision, objects });
  return revision;
}

/** Writes and deletes at random, and lists now and then to see what it has written. */
async function write(
  maps: ResourceClient<KubeObject>,
  into: Observation[],
  random: Random,
  signal: AbortSignal,
) {
  for (let n = 0; !signal.aborted; n++) {
    const name = pick(random, NAMES);
    const at = { namespace: "travel", name };
    try {
      const chance = random.next();
      if (chance < 0.2) await maps.delete(at);
      else if (chance < 0.4) await list(maps, into, signal);
      else {
        const change = { data: { n: String(n) } };
        const made = await maps.patch(at, "merge", change).catch(() => {
          return maps.create({ metadata: at, ...change } as KubeObject);
        });
        into.push({ saw: "wrote", revision: revisionOf(made) });
      }
    } catch (thrown) {
      // Gone, there already, or the server or its store is away: the next one may work.
      expect(messageOf(thrown)).not.toBe("");
    }
    await delay(clock, 5, signal);
  }
}

/** All changes below PREFIX, as the store reports them. */
async function truthOf(etcd: EtcdClient): Promise<Change[]> {
  const changes: Change[] = [];
  const stream = etcd.watch();
  const end = Buffer.from(`${PREFIX.slice(0, -1)}0`);
  const { header } = await etcd.range({ key: Buffer.from(PREFIX) });
  stream.create({ key: Buffer.from(PREFIX), rangeEnd: end, startRevision: 1 });
  stream.requestProgress();
  for await (const { created, events, header: at } of stream) {
    if (created) continue;
    for (const { type, kv } of events) {
      const name = kv!.key.toString("utf8").slice(PREFIX.length);
      const put = type !== Event_EventType.DELETE;
      changes.push({ revision: kv!.modRevision, name, type: put ? "put" : "delete" });
    }
    if (events.length === 0 && at!.revision >= header!.revision) break;
    if (changes.at(-1)?.revision === header!.revision) break;
    stream.requestProgress();
  }
  stream.close();
  return changes;
}

async function startServers(members: readonly TestMember[]): Promise<TestApiserver[]> {
  const urls = members.map(({ store }) => `http://${store!.address}`);
  const servers: TestApiserver[] = [];
  for (const order of [urls, [...urls].reverse()]) {
    const etcd = connectEtcd({ endpoints: order });
    undo.push(() => etcd.close());
    const server = await startTestApiserver(etcd);
    undo.push(() => server.close());
    servers.push(server);
  }
  return servers;
}

it("no client travels back in time through restarts and changes of the leader", async () => {
  const seed = randomInteger({ next: Math.random }, 1, 1_000_000);
  const random = seededRandom(seed);
  const cluster = new TestMembers();
  undo.push(() => cluster.stopAll());
  const members = await cluster.startThree();
  const servers = await startServers(members);
  const end = new AbortController();
  const histories: Observation[][] = [];
  const running: Promise<void>[] = [];
  const start = async (run: (maps: ResourceClient<KubeObject>, into: Observation[]) => unknown) => {
    const history: Observation[] = [];
    histories.push(history);
    const maps = (await clientOf(servers, random)).resource(MAPS);
    running.push(Promise.resolve(run(maps, history)).then(() => undefined));
  };
  const namespaces = (await clientOf(servers, random)).resource(NAMESPACES);
  await namespaces.create({ metadata: { name: "travel" } });
  for (let i = 0; i < INFORMERS; i++) {
    await start((maps, into) => inform(maps, into, end.signal));
  }
  for (let i = 0; i < 2; i++) {
    await start((maps, into) => write(maps, into, random, end.signal));
  }
  const seen = () => Math.min(...histories.map(({ length }) => length));
  const further = async (by: number) => {
    const until = seen() + by;
    await waitFor("every client to see more", () => seen() >= until);
  };
  await further(FURTHER);
  await servers[0]!.restart();
  await further(FURTHER);
  const leader = await waitFor("a leader", () => leaderOf(members));
  const { address } = leader.store!;
  await cluster.stop(leader);
  await further(FURTHER);
  const port = Number(address!.split(":").at(-1));
  await cluster.start(leader, members, { listenClient: { host: "127.0.0.1", port } });
  await servers[1]!.restart();
  await further(FURTHER);
  end.abort();
  await Promise.all(running);
  const truth = await truthOf(members.find(({ store }) => store)!.store!.client);
  expect(truth.length).toBeGreaterThan(50);
  for (const history of histories) {
    expect(contradictionIn(truth, history), `seed ${seed}`).toBeUndefined();
  }
});
