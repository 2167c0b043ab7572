import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "../../labs/testing/browser.ts";
import { TestCluster } from "./cluster.ts";
import { DashboardPage, PHONE } from "./dashboard-page.ts";

// Takes turns, a cluster in people's hands: see operations.test.ts.

const POLL = { timeout: 60_000, interval: 500 };

let cluster: TestCluster;
let browser: Browser;
let page: DashboardPage;

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - { name: web, image: r2k.local/web:1, ports: [{ containerPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: client
      image: r2k.local/busybox:1
      command: [sh, -c, "while sleep 1; do timeout 5 wget -qO- http://web; done"]
`;

beforeAll(async () => {
  cluster = await TestCluster.start("traced", ["--no-demo", "--traces"]);
  page = await DashboardPage.ofCluster(cluster);
  browser = page.browser;
});

afterAll(async () => {
  await browser?.close();
  await cluster?.close();
});

describe("a cluster that keeps its traces", () => {
  it("shows an apply from its request to the first packet that a client sends to its pod", async () => {
    await cluster.apply(WEB);
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
    const ip = await cluster.ask(
      "get",
      "pods",
      "-l",
      "app=web",
      "-o",
      "jsonpath={.items[0].status.podIP}",
    );
    const node = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    const kept = ["get", "--raw", `/api/v1/nodes/${node}/proxy/debug/traces?name=${ip}`];
    await expect.poll(() => cluster.ask(...kept), POLL).toContain('"firstPacket"');
    const at = "kind=deployments.apps&ns=default&of=default&name=web";
    const steps = new RegExp(
      [
        "POST /apis/apps/v1/namespaces/{:namespace}/deployments \\(kubectl",
        "admit",
        "watch event",
        "propose",
        "ReplicaSet web-\\S+ apiserver: POST",
        "Pod web-\\S+ apiserver: POST",
        "scheduler: Scheduling",
        "Filter \\(",
        "Bind",
        "kubelet: syncPod",
        "RunPodSandbox",
        `CNI ADD bridge \\(${ip}`,
        "CreateContainer",
        "StartContainer",
        "EndpointSlice web-\\S+ apiserver: \\S+ \\S+endpointslices",
        `proxy: syncProxyRules \\(${ip}\\)`,
        `proxy: firstPacket \\(${ip}; 10\\.\\S+ to 10\\.\\S+:80\\)`,
      ].join("[^]*"),
    );
    await page.go(at);
    await page.click("Timeline");
    await page.shows(steps);
    const shown = await page.text();
    expect(shown).not.toContain("No traces");
    const times = [...shown.matchAll(/^([\d.]+) s /gm)].map(([, seconds]) => Number(seconds));
    const earlier = times.filter((s, i) => i > 0 && s < times[i - 1]!);
    expect(earlier).toEqual([]);
    expect(await page.violations()).toEqual([]);
    await page.picture("traces");
    await browser.evaluate("document.querySelector('.events').lastElementChild.scrollIntoView()");
    await page.picture("packet");
    await page.go(at, PHONE);
    await page.click("Timeline");
    await page.shows(steps);
    expect(await page.violations()).toEqual([]);
    expect(browser.errors).toEqual([]);
  });
});
