import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";

const TIMEOUT_MS = 180_000;
const DEBIAN_PLUGINS = "/usr/lib/cni";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start("cnipeer", ["--cni-bin-dir", DEBIAN_PLUGINS]);
}, TIMEOUT_MS);

afterAll(() => cluster?.close(), TIMEOUT_MS);

describe("on the plugins of containernetworking", { timeout: TIMEOUT_MS }, () => {
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
    const own = await cluster.host.run("ls", [`${cluster.host.dir}/run/cnipeer/cni/bin`]);
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
    const netns = `--net=${cluster.host.dir}/run/cnipeer/netns/node`;
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
    const file = `${cluster.host.dir}/run/cnipeer/cni/networks/r2k/${ip}`;
    expect((await cluster.host.run("cat", [file])).code).toBe(0);
    await cluster.ask("delete", "pod", "short", "--grace-period=1");
    await expect.poll(async () => (await cluster.host.run("cat", [file])).code).toBe(1);
  });
});
