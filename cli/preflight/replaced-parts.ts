import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { bridgeConflist } from "@raft2kube/cni/node/conflist.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { etcdRemedy, readEtcdTls, unreachableEtcd } from "../observe/etcd-servers.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { storeEndpoints } from "../spec/store.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";
import { preflight } from "./preflight.ts";
import { isProgram } from "./programs.ts";

/** Asks whether the etcd and the plugins that a cluster uses in place of our own are there. */
export function replacedPartChecks(config: ClusterConfig): Check[] {
  const { etcdServers, cniBinDir } = config;
  return [
    ...(etcdServers === undefined
      ? []
      : [{ name: "--etcd-servers", ask: () => etcdFinding(config) }]),
    ...(cniBinDir === undefined
      ? []
      : [{ name: "--cni-bin-dir", ask: () => pluginsFinding(cniBinDir) }]),
  ];
}

/** Throws CommandError `PREFLIGHT` if one of them is missing. */
export async function requireReplacedParts(config: ClusterConfig): Promise<void> {
  const { dataDir, runDir } = config;
  await preflight({ dataDir, runDir, apiPort: undefined, ranges: [] }, replacedPartChecks(config));
}

async function etcdFinding(config: ClusterConfig): Promise<Finding> {
  const endpoints = storeEndpoints(config);
  const tls = readEtcdTls(config.etcdFiles ?? {});
  const failures = await unreachableEtcd(endpoints, tls);
  if (failures.length === 0) {
    const open = await openToPods(endpoints, tls.ca);
    if (open.length === 0) return ok(`${endpoints.join(", ")} answers`);
    const text = `${open.join(", ")} asks for no certificate`;
    return warning(`${text}: pods that reach it can read and write the cluster`, OPEN_REMEDY);
  }
  const judge = failures.length < endpoints.length ? warning : failed;
  return judge(failures.join("\n      "), etcdRemedy(endpoints));
}

const OPEN_REMEDY =
  "start that etcd with --client-cert-auth and give --etcd-certfile, or have " +
  "it listen on 127.0.0.1 alone";
const ON_LOOPBACK = /^(unix:|https?:\/\/(127(\.\d+){3}|localhost|\[::1\])(:|\/|$))/;

/** Returns the endpoints beside loopback that serve a client without a certificate. */
async function openToPods(endpoints: readonly string[], ca: string | undefined): Promise<string[]> {
  const reached = endpoints.filter((endpoint) => !ON_LOOPBACK.test(endpoint));
  const refusing = await Promise.all(
    reached.map((endpoint) => unreachableEtcd([endpoint], given({ ca }))),
  );
  return reached.filter((_, index) => refusing[index]?.length === 0);
}

/** The plugins that a node's network configuration calls. */
function calledPlugins(): string[] {
  const text = bridgeConflist({ name: "r2k", podCidr: "10.0.0.0/24", dataDir: "/" });
  return parseConflist(text, "ours").plugins.flatMap(({ type, ipam }) => {
    return ipam?.type === undefined ? [type] : [type, ipam.type];
  });
}

/** Judges a folder by the plugins that a node's network configuration calls. */
export async function pluginsFinding(folder: string): Promise<Finding> {
  const remedy =
    "give a folder of them (apt-get install containernetworking-plugins puts them " +
    "into /usr/lib/cni), or start without --cni-bin-dir";
  try {
    await readdir(folder);
  } catch (thrown) {
    const why = codeOf(thrown) === "ENOENT" ? "does not exist" : messageOf(thrown);
    return failed(`${folder} is no folder of CNI plugins: ${why}`, remedy);
  }
  const called = calledPlugins();
  const found = await Promise.all(called.map((name) => isProgram(join(folder, name))));
  const missing = called.filter((_, index) => !found[index]);
  if (missing.length === 0) return ok(`${folder} has ${called.join(", ")}`);
  return failed(`${folder} has no program ${missing.join(", ")}`, remedy);
}
