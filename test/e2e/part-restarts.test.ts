import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { TestCluster } from "./cluster.ts";
import { type RunningLoad, watchService } from "./load.ts";
import { PARTS, PartProcesses } from "./part-processes.ts";

// Takes turns, faults: see chaos/chaos.test.ts.

const TIMEOUT_MS = 300_000;
const NAME = "parts";
/** Parts that a run kills. */
const KILLED = 4;
const DEBIAN_PLUGINS = "/usr/lib/cni";

let cluster: TestCluster;
let parts: PartProcesses;
let load: RunningLoad;

beforeAll(async () => {
  cluster = await TestCluster.start(NAME, ["--cni-bin-dir", DEBIAN_PLUGINS]);
  const ready = ["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];
  await cluster.until("the demo", ready, (count) => count === "2");
});

afterAll(() => cluster?.close());

describe("on the plugins of containernetworking", () => {
  it("the demo answers through its Service, and pods reach each other", async () => {
    const ip = await cluster.ask("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    expect(await cluster.curl(`http://${ip}/`)).toMatch(/hello from raft2kube/);
    const podIps = await cluster.until(
      "two addresses",
      ["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.podIP}"],
      (text) => text.split(" ").length === 2,
    );
    const other = podIps.split(" ")[1]!;
    const get = ["exec", "deployment/web", "--", "wget", "-qO-", `http://${other}:8080/`];
    expect(await cluster.ask(...get)).toMatch(/hello from raft2kube/);
  });

  it("our own were not put in their place", async () => {
    const own = await cluster.host.run("ls", [`${cluster.host.dir}/run/${NAME}/cni/bin`]);
    expect(own.code).not.toBe(0);
  });

  it("a pod's annotations bound its traffic", async () => {
    const bound = [
      "--annotations=kubernetes.io/ingress-bandwidth=8M",
      "--annotations=kubernetes.io/egress-bandwidth=4M",
    ];
    const pod = ["run", "bounded", "--image=r2k.local/busybox:1", ...bound];
    await cluster.ask(...pod, "--", "sleep", "600");
    await cluster.ask("wait", "--for=condition=Ready", "pod/bounded", "--timeout=60s");
    const netns = `--net=${cluster.host.dir}/run/${NAME}/netns/node`;
    const shown = await cluster.host.run("nsenter", [netns, "tc", "qdisc", "show"]);
    const buckets = shown.stdout.split("\n").filter((line) => line.includes("tbf"));
    expect(buckets.filter((line) => /dev veth\w+ .* rate 8Mbit/.test(line))).toHaveLength(1);
    expect(buckets.filter((line) => /dev bwp\w+ .* rate 4Mbit/.test(line))).toHaveLength(1);
    await cluster.ask("delete", "pod", "bounded", "--grace-period=1");
  });

  it("a bound that is no rate is refused by name", async () => {
    const bound = "--annotations=kubernetes.io/egress-bandwidth=fast";
    await cluster.ask("run", "unbounded", "--image=r2k.local/busybox:1", bound);
    const events = ["get", "events", "--field-selector=involvedObject.name=unbounded"];
    await cluster.until("the reason", events, (text) => /egress-bandwidth.*"fast"/.test(text));
    await cluster.ask("delete", "pod", "unbounded", "--grace-period=1");
  });

  it("a deleted pod's address is given back", async () => {
    await cluster.ask("run", "short", "--image=r2k.local/busybox:1", "--", "sleep", "600");
    const ipOf = ["get", "pod", "short", "-o", "jsonpath={.status.podIP}"];
    const ip = await cluster.until("an address", ipOf, (text) => text !== "");
    const file = `${cluster.host.dir}/run/${NAME}/cni/networks/r2k/${ip}`;
    expect((await cluster.host.run("cat", [file])).code).toBe(0);
    await cluster.ask("delete", "pod", "short", "--grace-period=1");
    await expect.poll(async () => (await cluster.host.run("cat", [file])).code).toBe(1);
  });
});

/** Ends the cluster's two processes, and starts each part by itself. */
async function takeApart(): Promise<void> {
  await cluster.kill();
  // A kubelet by itself links containers' logs where upstream's does; not on the machine's disk.
  await cluster.host.run("mount", ["-t", "tmpfs", "r2k-log", "/var/log"]);
  parts = new PartProcesses(cluster);
  for (const part of PARTS) parts.start(part);
  const ip = "jsonpath={.spec.clusterIP}";
  await cluster.until("the apiserver", ["get", "--raw", "/readyz"], (text) => text === "ok");
  const url = `http://${await cluster.ask("get", "svc", "web", "-o", ip)}/`;
  load = watchService(cluster.host, url);
}

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

describe("a part that is killed and started again", () => {
  beforeAll(takeApart, TIMEOUT_MS);

  it("all parts run as processes of their own, over the data of the two", async () => {
    await newWorkIsDone("all");
  });

  for (const part of inTurn("killed parts", PARTS, KILLED)) {
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
    expect(requests).toBeGreaterThan(250);
  });
});
