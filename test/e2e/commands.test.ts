import { createWriteStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { busyboxRecipe } from "@raft2kube/runtime/build/busybox.ts";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { saveArchive } from "@raft2kube/runtime/image/archive.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { autoscalingCases } from "./autoscaling.ts";
import { TestCluster } from "./cluster.ts";
import { drainTests } from "./drain.ts";
import { differences } from "./host-snapshot.ts";
import { jobCases } from "./jobs.ts";
import { OwnHost } from "./own-host.ts";
import { sharedCluster } from "./shared-cluster.ts";
import { workloadCases } from "./workloads.ts";

// Takes turns, a cluster in people's hands: see operations.test.ts.

const BUSYBOX = "/bin/busybox";

describe("a running cluster's commands", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await sharedCluster("commands");
  });
  afterAll(() => cluster?.leave());

  const kubeconfig = () => join(cluster.host.dir, "home/.kube/config");

  it("start finds the running cluster, and leaves ~/.kube/config alone", async () => {
    const again = await cluster.host.r2k(["start", "--name", cluster.name]);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain(`The cluster "${cluster.name}" is running.`);
    expect(again.stdout).toContain("export KUBECONFIG=");
    expect(existsSync(kubeconfig())).toBe(false);
  });

  it("image load brings an archive's images in, and refuses what is none", async () => {
    const store = new ImageStore(join(cluster.host.dir, "images"), () => []);
    await store.open();
    await buildImage(store, { ...(await busyboxRecipe(BUSYBOX)), name: "r2k.local/loaded:7" });
    const archive = join(cluster.host.dir, "loaded.tar");
    await pipeline(await saveArchive(store, "r2k.local/loaded:7"), createWriteStream(archive));
    const loaded = await cluster.host.r2k(["image", "load", archive, "--name", cluster.name]);
    expect(loaded.stdout.trim()).toBe("loaded r2k.local/loaded:7");
    await cluster.ask("run", "loaded", "--image=r2k.local/loaded:7", "--", "sleep", "1000");
    await cluster.ask("wait", "pod/loaded", "--for=condition=Ready", "--timeout=90s");
    const none = join(cluster.host.dir, "none.tar");
    writeFileSync(none, "this is no archive");
    const refused = await cluster.host.r2k(["image", "load", none, "--name", cluster.name]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/none\.tar: /);
  });

  it("the types of a policy's expressions are checked", async () => {
    await cluster.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: mistyped }
spec:
  matchConstraints:
    resourceRules: [{ apiGroups: [apps], apiVersions: [v1], operations: ["*"], resources: [deployments] }]
  validations: [{ expression: object.spec.replicas > '1' }]
`);
    const asked = ["get", "validatingadmissionpolicy/mistyped", "-o", "jsonpath={.status}"];
    await cluster.until("a warning", asked, (text) => text.includes("no matching overload"));
    await cluster.ask("delete", "validatingadmissionpolicy/mistyped");
  });

  it("exec takes a long command", async () => {
    await cluster.ask("run", "long", "--image=r2k.local/busybox:1", "--", "sleep", "1000");
    await cluster.ask("wait", "pod/long", "--for=condition=Ready", "--timeout=90s");
    const script = `echo done # ${"long ".repeat(8_000)}`;
    expect(await cluster.ask("exec", "long", "--", "sh", "-c", script)).toBe("done");
    await cluster.ask("delete", "pod/long", "--grace-period=0");
  });

  it("a Deployment on the host's network runs with the node's address", async () => {
    await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: onnode }
spec:
  replicas: 1
  selector: { matchLabels: { app: onnode } }
  template:
    metadata: { labels: { app: onnode } }
    spec:
      hostNetwork: true
      containers:
        - { name: main, image: "r2k.local/busybox:1", command: [sleep, "1000"] }
`);
    await cluster.ask("rollout", "status", "deployment/onnode", "--timeout=90s");
    const address = "jsonpath={.items[0].status.podIP} {.items[0].status.hostIP}";
    const said = await cluster.ask("get", "pods", "-l", "app=onnode", "-o", address);
    const [podIp, hostIp] = said.split(" ");
    expect(podIp).toBe(hostIp);
    const links = await cluster.ask("exec", "deploy/onnode", "--", "ip", "-o", "link");
    expect(links).toMatch(/cni0/);
  });

  it("a hostPath is made and shared; a failed liveness probe restarts its container", async () => {
    const folder = join(cluster.host.dir, "shared");
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: { name: probed }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [sh, -c]
      args: ["date >> /shared/starts; mkdir /www; touch /www/ok; httpd -f -p 8080 -h /www"]
      livenessProbe: { httpGet: { path: /ok, port: 8080 }, periodSeconds: 1, failureThreshold: 2 }
      volumeMounts: [{ name: shared, mountPath: /shared }]
  volumes:
    - { name: shared, hostPath: { path: ${folder}, type: DirectoryOrCreate } }
`);
    // It runs before its first command has ended: the file that its probe asks for comes after.
    const started = (times: number) =>
      cluster.until(
        `start ${times}`,
        ["exec", "probed", "--", "cat", "/www/ok", "/shared/starts"],
        (text) => text.trim().split("\n").length === times,
      );
    await started(1);
    await cluster.ask("exec", "probed", "--", "rm", "/www/ok");
    const restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
    await cluster.until("a restart", ["get", "pod", "probed", "-o", restarts], (n) => n === "1");
    expect(readFileSync(join(folder, "starts"), "utf8").trim().split("\n")).toHaveLength(2);
    expect(await cluster.ask("get", "events")).toMatch(/Liveness probe failed/);
  });

  it("kubectl debug of a node is on its network, and sees its processes and files", async () => {
    const path = "jsonpath={.items[0].metadata.name} {.items[0].status.addresses[0].address}";
    const [node, address] = (await cluster.ask("get", "nodes", "-o", path)).split(" ");
    const file = join(cluster.host.dir, "of-the-node");
    writeFileSync(file, "its file\n");
    const look = `ip -o -4 addr show eth0; ps -o args | grep -c '[c]onmon'; cat /host${file}`;
    const image = "--image=r2k.local/busybox:1";
    const said = await cluster.ask("debug", `node/${node}`, image, "--", "sh", "-c", look);
    const pod = /pod (node-debugger-\S+) /.exec(said)?.[1] ?? said;
    const phase = ["get", "pod", pod, "-o", "jsonpath={.status.phase}"];
    await cluster.until("the look at the node", phase, (text) => text === "Succeeded");
    const [link = "", conmons, text] = (await cluster.ask("logs", pod)).split("\n");
    expect(link).toContain(` ${address}/`);
    expect(Number(conmons)).toBeGreaterThan(0);
    expect(text).toBe("its file");
    await cluster.ask("delete", "pod", pod, "--wait=false");
  });

  // Controllers' contracts have the same without containers.
  const withContainers = [jobCases, workloadCases, autoscalingCases, drainTests];
  for (const cases of inTurn("with containers", withContainers, 2)) cases(() => cluster);
});

describe("a start in the foreground", () => {
  it("stays; Ctrl-C takes the cluster down, purge its entry of ~/.kube/config", async () => {
    const host = await OwnHost.create();
    const before = await host.snapshot("front");
    const config = () => readFileSync(join(host.dir, "home/.kube/config"), "utf8");
    const flags = ["--foreground", "--nodes", "2", "--no-demo", "--merge-kubeconfig"];
    const r2k = join(import.meta.dirname, "../../r2k");
    const child = host.start(r2k, ["start", "--name", "front", ...flags]);
    let said = "";
    child.stdout!.on("data", (text) => (said += String(text)));
    child.stderr!.on("data", (text) => (said += String(text)));
    await expect.poll(() => said, { timeout: 60_000 }).toContain("Ready in");
    expect(config()).toMatch(/current-context: front/);
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGINT");
    await ended;
    expect(said).toContain("Taking the cluster down");
    expect(differences(before, await host.snapshot("front"))).toEqual([]);
    expect(existsSync(join(host.dir, "run/front"))).toBe(false);
    const down = await host.r2k(["down", "--purge", "--name", "front"]);
    expect(down.stderr).toContain("~/.kube/config");
    expect(config()).not.toContain("front");
    await host.close();
  });
});
