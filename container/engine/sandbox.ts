import { readFile, writeFile } from "node:fs/promises";
import { inUserNamespace } from "@raft2kube/linux/namespace/user-namespace.ts";
import type { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { runSandbox } from "@raft2kube/runtime/sandbox/run.ts";
import type { Hand, HandContainer } from "./hand.ts";
import type { Engine } from "./open-engine.ts";

/** The annotation of a sandbox that names its network. */
export const NETWORK_ANNOTATION = "r2k.io/network";
/** The namespace of sandboxes that belong to no pod. */
export const NAMESPACE = "by-hand";

/**
 * Runs the sandbox of a container. Returns its id. It has a first process in a user namespace
 * alone: from namespaces of its own this process could not come back to those of the machine.
 */
export async function startSandbox(engine: Engine, config: PodSandboxConfig): Promise<string> {
  await engine.networks.separate();
  const runtimeHandler = engine.host.byHand.isUsed ? "by-hand" : "";
  const isPinned = !inUserNamespace(engine.runtime.ids);
  return await runSandbox(engine.runtime, { config, runtimeHandler, isPinned });
}

/** Writes the names by which a container finds itself, others of its network, and added hosts. */
export async function writeHosts(engine: Engine, sandboxId: string, hand: Hand): Promise<void> {
  const { ips } = engine.runtime.sandboxes.get(sandboxId);
  const own = ips.map((ip) => `${ip}\t${hand.hostname}`);
  // The host's own network is the host.
  const here = hand.network === "host" ? "127.0.0.1" : "";
  const gateway = engine.networks.find(hand.network)?.gateway ?? here;
  const added = hand.addedHosts.flatMap((pair) => {
    const colon = pair.indexOf(":");
    const [name, given] = [pair.slice(0, colon), pair.slice(colon + 1)];
    const address = given === "host-gateway" ? gateway : given;
    return address === "" ? [] : [`${address}\t${name}`];
  });
  const peers = peersOf(engine, hand).flatMap(({ record, hand: { name } }) => {
    const { ips = [], state } = engine.runtime.sandboxes.find(record.sandboxId) ?? {};
    return state === "ready" ? ips.map((ip) => `${ip}\t${name}`) : [];
  });
  const { hosts } = engine.runtime.paths.sandbox(sandboxId);
  const names = [...own, ...added, ...peers, ""].join("\n");
  const text = hostsWith(await readFile(hosts, "utf8"), names);
  // The file that is mounted in the container, not another in its place.
  await writeFile(hosts, text);
}

const BEGINNING = "# r2k container\n";

/** A file of hosts with these names in place of those that were written earlier. */
export function hostsWith(before: string, names: string): string {
  return `${before.split(BEGINNING, 1)[0]}${BEGINNING}${names}`;
}

/** Containers of the same network, if people made it: on the default one there are no names. */
function peersOf({ containers, networks }: Engine, { network, name }: Hand): HandContainer[] {
  if (networks.find(network)?.isDefault !== false) return [];
  return containers.all().filter(({ hand }) => hand.network === network && hand.name !== name);
}

/** Writes the names of the others of a network again, when one has come. */
export async function reportToPeers(engine: Engine, hand: Hand): Promise<void> {
  for (const { record, hand: other } of peersOf(engine, hand)) {
    if (record.phase.state === "running") await writeHosts(engine, record.sandboxId, other);
  }
}
