import { expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

const IMAGE = "r2k.local/busybox:1";

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
}

