import { systemClock } from "@raft2kube/std/clock.ts";
import { expect } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Outcome } from "../own-host.ts";

type Kubectl = (args: readonly string[], input?: string) => Promise<Outcome>;

const NODE = "/usr/local/bin/node";
const SERVE = `require("http").createServer((_, answer) => {
  console.log("asked"); answer.end("served by " + require("os").hostname());
}).listen(8080)`;

/** Waits until what kubectl prints is as wanted; throws with what it printed last. */
export async function printed(
  kubectl: Kubectl,
  args: readonly string[],
  holds: (stdout: string) => boolean,
): Promise<string> {
  let last = "";
  const look = async () => {
    const { stdout, stderr } = await kubectl(args);
    last = stdout + stderr;
    return holds(stdout) ? stdout : undefined;
  };
  const limits = { clock: systemClock(), timeout_ms: 150_000, interval_ms: 500 };
  return waitFor(`kubectl ${args.join(" ")}`, look, limits).catch((cause: unknown) => {
    throw new Error(`kubectl ${args.join(" ")} printed ${last}`, { cause });
  });
}

export const readyOf = (name: string) => [
  "get",
  "node",
  name,
  "-o",
  "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
];

/** Lets control planes take pods of all kinds. */
export const UNTAINT = ["taint", "nodes", "--all", "node-role.kubernetes.io/control-plane-"];

/**
 * The demo on one node: a Deployment there is reached through its Service's name from a pod by
 * exec, and its logs show the request. `image` has Node, as the product's own do.
 */
export async function demoOn(kubectl: Kubectl, node: string, image: string): Promise<void> {
  const name = `web-${node}`;
  const labels = { app: name };
  const container = { name: "web", image, command: [NODE, "-e", SERVE] };
  const pod = { nodeName: node, terminationGracePeriodSeconds: 0, containers: [container] };
  const manifests = [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: pod },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ];
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
  const created = await kubectl(["create", "-f", "-"], list);
  expect(created.code, created.stderr).toBe(0);
  const ready = ["get", "deployment", name, "-o", "jsonpath={.status.readyReplicas}"];
  await printed(kubectl, ready, (count) => count === "2");
  const ask =
    `fetch("http://${name}.default.svc.cluster.local")` +
    ".then(async (answer) => console.log(await answer.text()))";
  const exec = ["exec", `deployment/${name}`, "--", NODE, "-e", ask];
  await printed(kubectl, exec, (text) => text.startsWith(`served by ${name}-`));
  const logs = ["logs", "-l", `app=${name}`];
  await printed(kubectl, logs, (text) => text.includes("asked"));
  await kubectl(["delete", "deployment,service", name]);
}
