import { expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

const IMAGE = "r2k.local/busybox:1";
const WAIT = "--timeout=90s";

/** Kinds that keep pods running, by the real kubectl, their pods by the real kubelet. */
export function workloadScenes(given: () => TestCluster): void {
  const template = (app: string, command = "sleep 1000") => `
  template:
    metadata: { labels: { app: ${app} } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: c, image: "${IMAGE}", command: [sh, -c, ${JSON.stringify(command)}] }]
`;

  it("runs, scales and deletes a ReplicationController", async () => {
    const cluster = given();
    await cluster.apply(`
apiVersion: v1
kind: ReplicationController
metadata: { name: older }
spec:
  replicas: 2${template("older")}`);
    const ready = ["get", "rc", "older", "-o", "jsonpath={.status.readyReplicas}"];
    await cluster.until("two ready", ready, (count) => count === "2");
    await cluster.ask("scale", "rc", "older", "--replicas=1");
    await cluster.until("one ready", ready, (count) => count === "1");
    expect(await cluster.ask("describe", "rc", "older")).toMatch(/SuccessfulDelete/);
    await cluster.ask("delete", "rc", "older");
    const pods = ["get", "pods", "-l", "app=older", "-o", "name"];
    await cluster.until("its pods to go", pods, (names) => names === "");
  });

  it("rolls a DaemonSet out, and back", async () => {
    const cluster = given();
    const manifest = (command: string) => `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }${template("agent", command)}`;
    const status = () => cluster.ask("rollout", "status", "daemonset/agent", WAIT);
    const said = ["logs", "daemonset/agent"];
    await cluster.apply(manifest("echo first; sleep 1000"));
    expect(await status()).toMatch(/daemon set "agent" successfully rolled out$/);
    await cluster.until("the first to speak", said, (text) => text === "first");
    await cluster.apply(manifest("echo second; sleep 1000"));
    await status();
    await cluster.until("the second to speak", said, (text) => text === "second");
    const history = await cluster.ask("rollout", "history", "daemonset/agent");
    expect(history).toMatch(/^1 .*\n2 /m);
    await cluster.ask("rollout", "undo", "daemonset/agent");
    await status();
    await cluster.until("the first to speak again", said, (text) => text === "first");
    expect(await cluster.ask("get", "ds", "agent", "--no-headers")).toMatch(/^agent( +1){5} /);
    await cluster.ask("delete", "daemonset", "agent");
    const pods = ["get", "pods", "-l", "app=agent", "-o", "name"];
    await cluster.until("its pods to go", pods, (names) => names === "");
  });
}
