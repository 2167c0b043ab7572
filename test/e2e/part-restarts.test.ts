import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";
import { type RunningLoad, watchService } from "./load.ts";
import { PARTS, type Part, PartProcesses } from "./part-processes.ts";

const TIMEOUT_MS = 180_000;

let cluster: TestCluster;
let parts: PartProcesses;
let load: RunningLoad;

beforeAll(async () => {
  cluster = await TestCluster.start("parts");
  const ready = ["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];
  await cluster.until("the demo", ready, (count) => count === "2");
  await cluster.kill();
  // A kubelet by itself links containers' logs where upstream's does; not on the machine's disk.
  await cluster.host.run("mount", ["-t", "tmpfs", "r2k-log", "/var/log"]);
  parts = new PartProcesses(cluster);
  for (const part of PARTS) parts.start(part);
  const ip = "jsonpath={.spec.clusterIP}";
  await cluster.until("the apiserver", ["get", "--raw", "/readyz"], (text) => text === "ok");
  const url = `http://${await cluster.ask("get", "svc", "web", "-o", ip)}/`;
  load = watchService(cluster.host, url);
}, TIMEOUT_MS);

afterAll(() => cluster?.close(), TIMEOUT_MS);

/** The demo's containers by id, with how often they were restarted. */
async function containers(): Promise<string> {
  const path =
    "{range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} " +
    "{.status.containerStatuses[0].restartCount}{'\\n'}{end}";
  return cluster.ask("get", "pods", "-l", "app=web", "-o", `jsonpath=${path}`);
}

/** Needs every part: objects stored, made and placed, a volume, a pod, a Service, a name. */
const work = (name: string) => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name} }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: r2k.local/web:1
          env: [{ name: GREETING, value: made after ${name} }]
          volumeMounts: [{ name: data, mountPath: /data }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: ${name} } }]
`;

async function newWorkIsDone(name: string): Promise<void> {
  await cluster.until("the apiserver", ["get", "--raw", "/readyz"], (text) => text === "ok");
  await cluster.apply(work(name));
  const get = ["exec", "deployment/web", "--", "wget", "-qO-", `http://${name}/`];
  await cluster.until("new work", get, (text) => text.includes(`made after ${name}`));
  await cluster.ask("delete", "deployment,service,pvc", name, "--wait=false");
}

async function served(count: number): Promise<void> {
  const until = load.count() + count;
  await expect.poll(load.count).toBeGreaterThan(until);
}

describe("a part that is killed and started again", { timeout: TIMEOUT_MS }, () => {
  it("all parts run as processes of their own, over the data of the two", async () => {
    await newWorkIsDone("all");
  });

  for (const part of PARTS satisfies readonly Part[]) {
    it(`${part}: pods run on and answer meanwhile, and new work is done afterwards`, async () => {
      const before = await containers();
      expect(before.split("\n")).toHaveLength(2);
      await parts.kill(part);
      await served(50);
      parts.start(part);
      await newWorkIsDone(part);
      expect(await containers()).toBe(before);
    });
  }

  it("no request failed in all that time", async () => {
    const { requests, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(500);
  });
});
