import { Resolver } from "node:dns/promises";
import { messageOf } from "@raft2kube/std/errors.ts";
import { nodeNetns } from "../apply/network.ts";
import { type Check, type Finding, failed, ok } from "../preflight/check.ts";
import { tryCommand } from "../preflight/command.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { logsCommand } from "../spec/processes.ts";

const ANSWER_TIMEOUT_MS = 3_000;
const HTTPS_PORT = 443;
/** The bytes of the headers of VXLAN (RFC 7348: Ethernet, IPv4, UDP, VXLAN). */
const VXLAN_BYTES = 50;
/** flannel's name of the overlay's device, which ours has too. */
const VXLAN_DEVICE = "flannel.1";

/** Checks of the ways that packets take: DNS, a Service from this host and from each node. */
export function networkChecks(config: ClusterConfig, nodes: readonly ClusterConfig[]): Check[] {
  const inHost = nodes.filter((node) => node.guest === undefined);
  const ofEach = (what: string, ask: (node: ClusterConfig) => Promise<Finding>) =>
    inHost.map((node) => ({ name: `${what} node ${node.nodeName}`, ask: () => ask(node) }));
  const hasOverlay = config.overlay === "vxlan" && inHost.length > 1;
  return [
    { name: "DNS of the cluster", ask: () => dns(config) },
    { name: "Service from this host", ask: () => connection(config) },
    ...ofEach("Service from", (node) => connection(config, node)),
    ...(hasOverlay ? ofEach("MTU of the overlay on", overlayMtu) : []),
  ];
}

async function dns({ dnsAddress, clusterDomain, apiServiceAddress }: ClusterConfig) {
  const resolver = new Resolver({ timeout: ANSWER_TIMEOUT_MS, tries: 1 });
  resolver.setServers([dnsAddress]);
  const name = `kubernetes.default.svc.${clusterDomain}`;
  const remedy = "r2k logs node | grep dns; r2k explain service/kube-dns -n kube-system";
  try {
    const [address = "nothing"] = await resolver.resolve4(name);
    if (address === apiServiceAddress) return ok(`${name} is ${address}`);
    return failed(`${name} is ${address} by ${dnsAddress}, not ${apiServiceAddress}`, remedy);
  } catch (thrown) {
    return failed(`${dnsAddress} does not say what ${name} is: ${messageOf(thrown)}`, remedy);
  }
}

/** Connects from this host, or in a node's network namespace, by a process of its own. */
async function connection(config: ClusterConfig, node?: ClusterConfig): Promise<Finding> {
  const { apiServiceAddress: host } = config;
  const to = `${host}:${HTTPS_PORT}`;
  const script = `require("net").connect({ host: process.argv[1], port: ${HTTPS_PORT},
    timeout: ${ANSWER_TIMEOUT_MS} }).on("connect", () => process.exit(0))
    .on("timeout", () => { console.error("no answer"); process.exit(1); })
    .on("error", (error) => { console.error(error.message); process.exit(1); })`;
  const inNode = node === undefined ? [] : ["nsenter", `--net=${nodeNetns(node)}`];
  const [program = "", ...words] = [...inNode, process.execPath, "-e", script, host];
  const answer = await tryCommand(program, ...words);
  if (answer.succeeded) return ok(`${to} answers`);
  const remedy = "r2k status shows its proxy's error, r2k logs node | grep proxy the rest";
  return failed(`${to}: ${answer.output.slice(0, 200)}`, remedy);
}

async function overlayMtu(node: ClusterConfig): Promise<Finding> {
  const remedy = `${logsCommand(node.name, "node", node.joins && node.nodeName)} | grep overlay`;
  const mtuOf = async (device: string) => {
    const program = ["ip", "-o", "link", "show", "dev", device];
    const { output } = await tryCommand("nsenter", `--net=${nodeNetns(node)}`, ...program);
    return Number(/ mtu (\d+)/.exec(output)?.[1] ?? NaN);
  };
  const [outer, inner] = await Promise.all([mtuOf("eth0"), mtuOf(VXLAN_DEVICE)]);
  if (Number.isNaN(inner)) return failed(`there is no device ${VXLAN_DEVICE}`, remedy);
  if (inner <= outer - VXLAN_BYTES) return ok(`${inner} in ${outer}`);
  const what = `${inner} bytes do not fit into ${outer} with VXLAN's ${VXLAN_BYTES}`;
  return failed(`${what}: large packets between nodes are lost`, remedy);
}
