import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { pick, seededRandom } from "@raft2kube/std/random.ts";
import { clock, mapOf, NAMESPACE } from "../apiserver/config-map-servers.ts";
import { withApiserver } from "../apiserver/own-apiserver.ts";
import { check, checkOptions, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { QUIET_S, untilQuiet } from "../quiet.ts";

const CORE = { group: "", version: "v1" };
const MAPS = { ...CORE, plural: "configmaps", kind: "ConfigMap", namespaced: true };
const WRITES = 150;
const NAMES = ["a", "b", "c", "d", "e", "f"];

type Server = Parameters<Parameters<typeof withApiserver>[0]>[0];

/** Random writes through another server on the same store, so that a restart does not stop them. */
async function write(own: Server, seed: number, count: number): Promise<void> {
  const random = seededRandom(seed);
  const server = own.servers.server();
  for (let i = 0; i < count; i++) {
    const name = pick(random, NAMES);
    await server.store.change<ConfigMap>(NAMESPACE, name, (current) => {
      if (current && random.next() < 0.3) return { do: "delete", object: current };
      const object = current ? { ...current, data: { n: String(i) } } : mapOf(name, i);
      return { do: "write", object };
    });
    stillAtWork();
  }
}

/** Names with their versions: copies with equal summaries are equal. */
function summary(objects: readonly KubeObject[]): string {
  const lines = objects
    .filter(({ metadata }) => metadata.namespace === NAMESPACE)
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`);
  return lines.sort().join(" ");
}

async function follow(own: Server): Promise<void> {
  const { seed = 1 } = checkOptions();
  const client = new KubeClient({ ...(await own.connection()), clock, qps: 1_000, burst: 1_000 });
  const maps = client.resource(MAPS);
  const informer = new Informer({ resource: maps, clock });
  const changes: string[] = [];
  informer.handle({
    added: ({ metadata }) => changes.push(`+${metadata.name}`),
    deleted: ({ metadata }) => changes.push(`-${metadata.name}`),
  });
  try {
    informer.start();
    await informer.synced;
    stillAtWork();
    const writing = write(own, seed, WRITES);
    await own.api.restart();
    await writing;
    stillAtWork();
    await write(own, seed + 1, WRITES);
    stillAtWork();
    const there = summary((await maps.list({})).items);
    const equal = () => summary(informer.store.list()) === there;
    const copied = await untilQuiet(equal, () => summary(informer.store.list()));
    judge(copied, {
      when: `an informer follows ${2 * WRITES} writes, seed ${seed}; the apiserver restarts`,
      expected: there,
      happened: `${summary(informer.store.list())}; no change of it for ${QUIET_S} s`,
      why: "controllers act on their informer's copy: an error in it becomes a wrong action",
    });
    judgeChanges(changes);
  } finally {
    await informer.close();
    client.close();
  }
}

/** Fails if an existing object is added or a missing one is deleted. */
function judgeChanges(changes: readonly string[]): void {
  const there = new Set<string>();
  for (const [i, line] of changes.entries()) {
    const [sign, name] = [line[0], line.slice(1)];
    judge((sign === "+") !== there.has(name), {
      when: `an informer's handlers receive change ${i + 1}`,
      expected: `${there.has(name) ? "-" : "+"}${name}`,
      happened: line,
      why: "a repeated event makes a controller act twice; a missed one leaks an object",
    });
    if (sign === "+") there.add(name);
    else there.delete(name);
  }
}

check("informer: its copy equals the server's state after a restart", () => withApiserver(follow));
