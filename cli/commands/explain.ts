import { isIPv4 } from "node:net";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ipv4Of, namedPorts } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NAMESPACES, NETWORK_POLICIES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { type End, judge } from "@raft2kube/network-policy/verdict.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { describeExplanation, explainObject } from "../observe/explain-object.ts";
import { CommandError, printResult } from "../terminal.ts";
import { accessOf, clusterHere } from "./cluster-of.ts";

interface Flags {
  readonly name: string;
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly protocol: string;
  readonly output?: string;
}

const PROTOCOLS = ["TCP", "UDP", "SCTP"];

/** `r2k explain pod/NAME`: why it is so; `policy FROM TO:PORT`: what admits a connection. */
export function command(): Command {
  const explain = new Command("explain").description("Explain what a cluster does.");
  explain
    .command("object", { isDefault: true })
    .description("Why a pod, a Service or a claim is as it is, and what to do about it.")
    .argument("<object>", "pod/NAME, service/NAME or pvc/NAME")
    .option("--name <cluster>", "the cluster's name", clusterHere())
    .option("--kubeconfig <file>", "another cluster's, or another user's, access")
    .option("-n, --namespace <name>", "the object's namespace", "default")
    .option("-o, --output <format>", "json")
    .action(explainOne);
  explain
    .command("policy")
    .description("Which NetworkPolicies admit a connection, or do not.")
    .argument("<from>", "a pod, NAMESPACE/POD or an IPv4 address")
    .argument("<to>", "the same with a port: web-0:80")
    .option("--name <cluster>", "the cluster's name", clusterHere())
    .option("--kubeconfig <file>", "another cluster's, or another user's, access")
    .option("-n, --namespace <name>", "of pods that are named without one", "default")
    .option("--protocol <protocol>", "TCP, UDP or SCTP", "TCP")
    .option("-o, --output <format>", "json")
    .action(explainPolicy);
  return explain;
}

async function explainOne(target: string, flags: Omit<Flags, "protocol">): Promise<void> {
  const client = await clientFor(flags);
  try {
    const explanation = await explainObject(client, target, flags.namespace);
    printResult(flags.output, explanation, (it) => printable(describeExplanation(it)));
  } finally {
    client.close();
  }
}

const clientFor = async (flags: Pick<Flags, "name" | "kubeconfig">) =>
  new KubeClient({ ...(await accessOf(flags)), clock: systemClock(), userAgent: "r2k-explain" });

async function explainPolicy(from: string, target: string, flags: Flags): Promise<void> {
  const [, to = "", port = ""] = /^(.+):(\d+)$/.exec(target) ?? [];
  const protocol = flags.protocol.toUpperCase();
  const number = Number(port);
  if (to === "" || number < 1 || number > 65_535) {
    throw new CommandError("ARGUMENT", `"${target}" names no port`, { remedy: "write POD:80" });
  }
  if (!PROTOCOLS.includes(protocol)) {
    const remedy = `one of ${PROTOCOLS.join(", ")}`;
    throw new CommandError("FLAG", `--protocol: "${flags.protocol}"`, { remedy });
  }
  const client = await clientFor(flags);
  try {
    const ends = await Promise.all([from, to].map((text) => endOf(client, text, flags.namespace)));
    const { items } = await client.resource(NETWORK_POLICIES).listAll();
    const connection = { from: ends[0]!, to: ends[1]!, port: number, protocol };
    const verdicts = judge(items, connection);
    const admitted = verdicts.every((verdict) => verdict.admitted);
    printResult(flags.output, { admitted, verdicts }, () =>
      printable(
        [
          `${from} -> ${target}/${protocol}: ${admitted ? "admitted" : "dropped"}`,
          ...verdicts.map((verdict) => `  ${verdict.admitted ? "yes" : "no "}  ${verdict.why}`),
        ].join("\n"),
      ),
    );
  } finally {
    client.close();
  }
}

/** The end that a text names: a pod with its own address, or an address that may be one. */
async function endOf(client: KubeClient, text: string, namespace: string): Promise<End> {
  const resource = client.resource(PODS);
  if (isIPv4(text)) {
    const { items } = await resource.listAll();
    const pod = items.find((each) => !isPodTerminal(each) && ipv4Of(each) === text);
    return pod && !pod.spec.hostNetwork ? await podEnd(client, pod) : { address: text };
  }
  const [first = "", second] = text.split("/");
  const pod = await resource.get(
    second === undefined ? { namespace, name: first } : { namespace: first, name: second },
  );
  return podEnd(client, pod);
}

async function podEnd(client: KubeClient, pod: Pod): Promise<End> {
  const { namespace = "", name = "", labels } = pod.metadata;
  const address = ipv4Of(pod);
  if (address === undefined) {
    throw new CommandError("NO_ADDRESS", `pod ${namespace}/${name} has no IPv4 address yet`);
  }
  if (pod.spec.hostNetwork) return { address };
  const { metadata } = await client.resource(NAMESPACES).get({ name: namespace });
  const ports = Object.fromEntries(
    namedPorts(pod).map((each) => [`${each.name}/${each.protocol}`, each.port]),
  );
  return { address, pod: { namespace, name, labels, namespaceLabels: metadata.labels, ports } };
}
