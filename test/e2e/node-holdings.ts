import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { processTable } from "../../cli/observe/process-table.ts";
import { type ClusterPlace, clusterPlace } from "../../cli/spec/config.ts";
import { joiningNodePlace } from "../../cli/spec/nodes.ts";
import { nodeCgroup, nodePaths } from "../../cli/spec/paths.ts";
import type { TestCluster } from "./cluster.ts";

/** Pause between two checks of an identity's containers. */
const LOOK_MS = 100;
/** The table of the bridge plugin's spoof checks: a chain for each attached pod. */
const CHECKS = ["table", "netdev", "r2k-cni-spoof"];

/** The place of a node's files and cgroup; the first node's is the cluster's own. */
function placeOfNode({ host, name }: TestCluster, node: string): ClusterPlace {
  const roots = { data: join(host.dir, "data"), run: join(host.dir, "run") };
  const cluster = clusterPlace(name, roots);
  return node.startsWith(`${name}-`) ? cluster : joiningNodePlace(cluster, node);
}

/** A pod as the API shows it: its node, address and running containers. */
interface PodFacts {
  readonly node: string;
  readonly ip: string;
  readonly containers: readonly string[];
}

interface PodList {
  readonly items: readonly {
    readonly spec: { readonly nodeName?: string; readonly hostNetwork?: boolean };
    readonly status: {
      readonly podIP?: string;
      readonly containerStatuses?: readonly {
        readonly containerID?: string;
        readonly state: { readonly running?: object };
      }[];
    };
  }[];
}

async function podFacts(cluster: TestCluster): Promise<PodFacts[]> {
  const { items } = JSON.parse(await cluster.ask("get", "pods", "-A", "-o", "json")) as PodList;
  return items
    .filter(({ spec }) => spec.hostNetwork !== true)
    .map(({ spec, status }) => ({
      node: spec.nodeName ?? "",
      ip: status.podIP ?? "",
      containers: (status.containerStatuses ?? []).flatMap(({ state, containerID = "" }) =>
        state.running ? [containerID.replace(/^\w+:\/\//, "")] : [],
      ),
    }));
}

/**
 * Compares what nodes have with the pods that the API shows on them: addresses of host-local,
 * network namespaces, ports of the bridge, spoof checks and their addresses, containers' monitors.
 * Returns a line for each difference.
 */
export async function leftovers(cluster: TestCluster, nodes: readonly string[]): Promise<string[]> {
  const pods = await podFacts(cluster);
  const found = nodes.map((node) =>
    leftoversOf(
      cluster,
      node,
      pods.filter((pod) => pod.node === node),
    ),
  );
  return (await Promise.all(found)).flat();
}

async function leftoversOf(
  cluster: TestCluster,
  node: string,
  pods: readonly PodFacts[],
): Promise<string[]> {
  const place = placeOfNode(cluster, node);
  const paths = nodePaths(place);
  const inNode = async (program: string, ...args: string[]) => {
    const netns = `--net=${join(place.runDir, "netns/node")}`;
    return (await cluster.host.run("nsenter", [netns, program, ...args])).stdout;
  };
  const addresses = pods.map(({ ip }) => ip);
  const checks = await inNode("nft", "list", ...CHECKS);
  const checked = new Set(checks.match(/\b\d+\.\d+\.\d+\.\d+\b/g));
  checked.delete("0.0.0.0");
  const ports = await inNode("ip", "-o", "link", "show", "master", "cni0", "type", "veth");
  return [
    ...differ("address", readdirSync(join(paths.cniAddresses, "r2k")).filter(isIPv4), addresses),
    ...differ("checked address", [...checked], addresses),
    ...differ(
      "container",
      monitored(paths.runtimeState),
      pods.flatMap((pod) => pod.containers),
    ),
    ...count("spoof checks", checks.match(/chain at-/g), pods),
    ...count("ports", ports.match(/\n/g), pods),
    ...count("namespaces", readdirSync(join(paths.runtimeState, "netns")), pods),
  ].map((line) => `${node}: ${line}`);
}

/** The ids of the containers whose monitors run. */
function monitored(runtimeState: string): string[] {
  const bundles = ` --bundle ${join(runtimeState, "containers")}/`;
  return processTable().flatMap(({ command }) => {
    const [, id] = / --cid (\w+) /.exec(command) ?? [];
    return id !== undefined && command.includes(bundles) ? [id] : [];
  });
}

function differ(what: string, has: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...has.filter((one) => !wanted.includes(one)).map((one) => `${what} ${one} is no pod's`),
    ...wanted.filter((one) => !has.includes(one)).map((one) => `${what} ${one} is missing`),
  ];
}

function count(what: string, has: readonly string[] | null, pods: readonly PodFacts[]): string[] {
  const found = has?.length ?? 0;
  return found === pods.length ? [] : [`${found} ${what} of ${pods.length} pods`];
}

/**
 * Looks which containers run on the nodes with a pod's name, until stopped: by their processes, not
 * by the API. The containers have the variables POD and POD_UID.
 */
export class IdentityWatch {
  /** Looks at which more than one container ran, each as the nodes and pods. */
  readonly twice: string[] = [];
  /** The uid of each pod whose container was seen, in the order of their first container. */
  readonly seen = new Set<string>();
  readonly #ended = new AbortController();
  readonly #looking: Promise<void>;

  constructor(cluster: TestCluster, pod: string, nodes: readonly string[]) {
    const cgroups = openCgroups();
    const places = nodes.map((node) => ({ node, group: nodeCgroup(placeOfNode(cluster, node)) }));
    const look = () => {
      const running = places.flatMap(({ node, group }) =>
        [...containersOf(pod, cgroups.pids(group))].map(([container, uid]) => ({
          node,
          container,
          uid,
        })),
      );
      for (const { uid } of running) this.seen.add(uid);
      if (running.length > 1) {
        this.twice.push(running.map(({ node, uid }) => `${node} ${uid}`).join(", "));
      }
    };
    this.#looking = (async () => {
      while (!this.#ended.signal.aborted) {
        look();
        await delay(systemClock(), LOOK_MS, this.#ended.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#looking;
  }
}

/** The containers of a pod among processes: their mount namespaces, and the pod's uid. */
function containersOf(pod: string, pids: readonly number[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const pid of pids) {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (!variables.includes(`POD=${pod}`)) continue;
      const uid = variables.find((one) => one.startsWith("POD_UID="))?.slice(8) ?? "";
      found.set(`${uid} ${readlinkSync(`/proc/${pid}/ns/mnt`)}`, uid);
    } catch (thrown) {
      // The process has ended.
      if (!isErrno(thrown, "ENOENT", "ESRCH", "EACCES")) throw thrown;
    }
  }
  return found;
}
