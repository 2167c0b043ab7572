import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readLabs } from "../../labs/runner/manifest.ts";
import { OwnPart } from "../../labs/testing/own-part.ts";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";

const START_TIMEOUT_MS = 300_000;
const STEP_TIMEOUT_MS = 180_000;
const LABS = readLabs().filter(({ files }) => files.length > 0).map(({ number }) => number);

const own = new OwnPart("assembled", LABS);
let cluster: TestCluster;
let plugin: ChildProcess;

beforeAll(async () => {
  await own.useUnjudged();
  const host = await OwnHost.create();
  const variables = ["R2K_ROOT", "R2K_LABS"].map((name) => `${name}=${own.env[name] ?? ""}`);
  host.program = ["env", ...variables, process.execPath, await own.bundle()];
  cluster = await TestCluster.startIn(host, "whole");
  const [program, ...main] = host.program;
  const kubeletDir = join(host.dir, "data", cluster.name, "kubelet");
  const flags = ["--kubelet-dir", kubeletDir, "--count", "1", "--shares", "2"];
  const words = [...main, "device-gpu", ...flags];
  plugin = host.start(program, words, { timeout_ms: START_TIMEOUT_MS + 3 * STEP_TIMEOUT_MS });
}, START_TIMEOUT_MS);

afterAll(async () => {
  plugin?.kill("SIGTERM");
  await cluster?.close();
  own.remove();
}, START_TIMEOUT_MS);

const CLAIM = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 8Mi } }
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: by-hand }
handler: by-hand
---
apiVersion: v1
kind: Pod
metadata: { name: user }
spec:
  runtimeClassName: by-hand
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "echo kept > /data/file; exec sleep 600"]
      resources: { limits: { r2k.dev/gpu: 1 } }
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
`;

describe("the cluster of every lab's part", { timeout: STEP_TIMEOUT_MS }, () => {
  it("runs the demo, and names the parts", async () => {
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=120s");
    const { stdout } = await cluster.host.r2k(["status", "--name", cluster.name, "-o", "json"]);
    const { ownParts, views } = JSON.parse(stdout) as {
      ownParts: string[];
      views: { differences: string[] };
    };
    expect(ownParts).toEqual(LABS);
    expect(views.differences).toEqual([]);
  });

  it("runs a pod by hand with a claim and a share of a GPU", async () => {
    await cluster.apply(CLAIM);
    const phase = ["get", "pod", "user", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running", 90_000);
    const shell = ["exec", "user", "--", "sh", "-c"];
    const seen = "cat /data/file; echo $R2K_GPUS $R2K_GPU_MEMORY_MIB; ls /dev/r2k-gpu";
    expect(await cluster.ask(...shell, seen)).toBe("kept\ngpu-0 8192\ngpu-0");
  });

  it("answers through the Service, three pods behind it", async () => {
    await cluster.ask("scale", "deployment/web", "--replicas=3");
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=120s");
    const ready = ["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];
    expect(await cluster.ask(...ready)).toBe("3");
    const fetched = await cluster.ask("exec", "user", "--", "wget", "-qO-", "http://web");
    expect(fetched).not.toBe("");
  });
});
