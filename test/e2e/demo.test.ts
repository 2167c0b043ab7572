import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { TestCluster } from "./cluster.ts";
import { startLoad } from "./load.ts";
import { WalkShell } from "./walk-shell.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = join(ROOT, "labs/00-tour/README.md");
const REQUESTS_MIN = 500;
const CLIENTS = 4;

const walks = walksOf(readFileSync(README, "utf8"));
let cluster: TestCluster;
let shell: WalkShell;
let address: string;

beforeAll(async () => {
  cluster = await TestCluster.start("tour");
  shell = new WalkShell(cluster);
  await demoRuns();
});

afterAll(() => cluster?.close());

async function demoRuns(): Promise<void> {
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
  await cluster.ask("rollout", "status", "deployment/data", "--timeout=60s");
}

/** A pod of the demo that is not on its way out. */
async function livingPod(): Promise<string> {
  const living = "{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}} {{end}}";
  const template = `{{range .items}}${living}{{end}}`;
  const names = await cluster.ask("get", "pods", "-l", "app=web", "-o", `go-template=${template}`);
  return names.split(" ")[0] ?? "";
}

const readyReplicas = ["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];

it("the README has commands to try", () => {
  expect(walks.length).toBeGreaterThan(10);
});

// Its reader comes to a new cluster when all is there, and deletes the demo.
describe("the tour", () => {
  it.each(walks)("$command", (walk) => shell.follow(walk));
});

describe("the demo", () => {
  beforeAll(async () => {
    await cluster.ask("apply", "-f", join(ROOT, "examples/web.yaml"));
    await demoRuns();
    address = await cluster.ask("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
  });

  it("runs two pods on a ready node, with a bound claim", async () => {
    expect(await cluster.ask("get", "nodes")).toMatch(/ Ready /);
    expect(await cluster.until("two ready pods", readyReplicas, (n) => n === "2")).toBe("2");
    expect(await cluster.ask("get", "pvc", "data", "-o", "jsonpath={.status.phase}")).toBe("Bound");
  });

  it("answers by ClusterIP, by NodePort, and by its name from another pod", async () => {
    expect(await cluster.curl(`http://${address}/`)).toMatch(/hello from raft2kube/);
    const node = "jsonpath={.items[0].status.addresses[0].address}";
    const nodeAddress = await cluster.ask("get", "nodes", "-o", node);
    expect(await cluster.curl(`http://${nodeAddress}:30080/`)).toMatch(/hello from raft2kube/);
    await cluster.ask(
      "run",
      "client",
      "--image=r2k.local/busybox:1",
      "--restart=Never",
      "--",
      "sh",
      "-c",
      "nslookup web; nslookup web.default.svc.cluster.local && wget -qO- http://web/",
    );
    const phase = ["get", "pod", "client", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the client pod to end", phase, (text) => /Succeeded|Failed/.test(text));
    const said = await cluster.ask("logs", "client");
    expect(said.split(`Address: ${address}`)).toHaveLength(3);
    expect(said).toMatch(/hello from raft2kube/);
    await cluster.ask("delete", "pod", "client");
  });

  it("spreads over five pods when scaled", async () => {
    await cluster.ask("scale", "deployment", "web", "--replicas=5");
    await cluster.until("five ready pods", readyReplicas, (n) => n === "5");
    const load = startLoad(cluster.host, `http://${address}/`, CLIENTS);
    await expect.poll(load.count).toBeGreaterThan(100);
    const { failures, answers } = await load.stop();
    expect(failures).toEqual([]);
    expect(answers.size).toBe(5);
  });

  it(`rolls to another image under ${CLIENTS} clients without a failed request`, async () => {
    const load = startLoad(cluster.host, `http://${address}/`, CLIENTS);
    await expect.poll(load.count).toBeGreaterThan(100);
    await cluster.ask("set", "image", "deployment/web", "web=r2k.local/web:2");
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=90s");
    await expect.poll(load.count, { timeout: 60_000 }).toBeGreaterThan(REQUESTS_MIN);
    const { requests, failures, answers } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThanOrEqual(REQUESTS_MIN);
    expect([...answers.keys()].join("\n")).toMatch(/version 2/);
  });

  it("rolls back", async () => {
    await cluster.ask("rollout", "undo", "deployment/web");
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=90s");
    // The proxy learns of the last pod's end a moment after the Deployment does.
    await expect.poll(() => cluster.curl(`http://${address}/`)).toMatch(/version 1/);
    expect(await cluster.ask("rollout", "history", "deployment/web")).toMatch(/\n3 /);
  });

  it("shows logs, events, and a shell in a pod", async () => {
    const first = await livingPod();
    expect(await cluster.ask("exec", first, "--", "sh", "-c", "echo $GREETING")).toBe(
      "hello from raft2kube",
    );
    const failing = await cluster.kubectl(["exec", first, "--", "sh", "-c", "exit 7"]);
    expect(failing.code).toBe(7);
    expect(await cluster.ask("describe", first)).toMatch(/Started container web|Container started/);
    const follow = cluster.startKubectl(["logs", "-f", first]);
    let followed = "";
    follow.stdout!.setEncoding("utf8").on("data", (text: string) => (followed += text));
    await cluster.ask("exec", first, "--", "sh", "-c", "echo marked line > /proc/1/fd/1");
    await expect.poll(() => followed).toContain("marked line");
    follow.kill();
  });

  it("brings a killed container back", async () => {
    const pod = await livingPod();
    const restarts = ["get", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"];
    const before = Number(await cluster.ask(...restarts));
    await cluster.kubectl(["exec", pod, "--", "sh", "-c", "kill -9 -1; kill -9 1; kill 1"]);
    await cluster.until("a restart", restarts, (count) => Number(count) > before);
    await cluster.until("five ready pods again", readyReplicas, (n) => n === "5");
  });

  it("keeps the claim's data when its pods go", async () => {
    const data = "deployment/data";
    await cluster.ask("exec", data, "--", "sh", "-c", "echo kept > /data/kept.txt");
    await cluster.ask("delete", "pods", "-l", "app=data", "--wait=true", "--timeout=60s");
    await cluster.ask("rollout", "status", data, "--timeout=60s");
    expect(await cluster.ask("exec", data, "--", "cat", "/data/kept.txt")).toBe("kept");
  });

  it("is deleted within 10 s", async () => {
    await cluster.ask("delete", "deployment", "web", "--cascade=foreground", "--timeout=90s");
    const pods = ["get", "pods", "-l", "app=web", "-o", "name"];
    expect(await cluster.until("no pods", pods, (text) => text === "", 10_000)).toBe("");
  });
});
