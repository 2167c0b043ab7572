import { existsSync } from "node:fs";
import { join } from "node:path";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { linkAccess } from "@raft2kube/dashboard/server/link-access.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser } from "../../labs/testing/browser.ts";
import {
  startUpstream,
  type UpstreamApiserver,
} from "../../testing/apiserver/upstream-apiserver.ts";
import { DashboardPage } from "./dashboard-page.ts";

const BINARY = join(import.meta.dirname, "../../.peers/bin/kube-apiserver");
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: i }] }
---
apiVersion: v1
kind: Pod
metadata: { name: lonely, namespace: default }
spec: { containers: [{ name: c, image: i }], automountServiceAccountToken: false }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Node
metadata: { name: foreign }
`;

describe.runIf(existsSync(BINARY))("the dashboard on upstream's kube-apiserver", () => {
  let upstream: UpstreamApiserver;
  let server: Awaited<ReturnType<typeof serveDashboard>>;
  let browser: Browser;
  let page: DashboardPage;

  beforeAll(async () => {
    upstream = await startUpstream(BINARY);
    const { token, ca, port } = upstream;
    const connection = { server: `https://127.0.0.1:${port}`, token, ca };
    const to = upstreamTo(connection, systemClock());
    server = await serveDashboard(linkAccess(to), await pageAssets(""));
    browser = await Browser.start();
    page = await DashboardPage.open(browser, server.link);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await upstream?.close();
  });

  it("creates, lists live, explains, scales, changes and deletes; says why views are empty", async () => {
    await page.shows("There are none here.");
    await page.click("Create");
    await page.fill("YAML", DEPLOYMENT);
    await page.click("Show what changes");
    await page.shows("Pod lonely would be created");
    await page.click("Apply");
    await page.shows(/Pod lonely is created[^]*Node foreign is created/);
    await page.click("✕");
    await page.shows(/default\s+lonely\s+0\/1/);
    await page.go("kind=pods&of=default&name=lonely");
    await page.shows("waits for the scheduler");

    await page.go("kind=deployments.apps&of=default&name=web");
    await page.click("Scale");
    await page.fill("Replicas", "3");
    await page.click("Scale", ".why");
    await page.shows("Scale: done");
    await page.click("YAML");
    await page.shows("Show what changes");
    const yaml = () => browser.evaluate<string>("document.querySelector('textarea').value");
    await expect.poll(yaml).toContain("replicas: 3");
    await page.fill("YAML", (await yaml()).replace("replicas: 3", "replicas: 5"));
    await page.click("Show what changes");
    await page.shows(/- +replicas: 3[^]*\+ +replicas: 5/);
    await page.click("Apply");
    await page.shows("Deployment web is changed");
    const path = "/apis/apps/v1/namespaces/default/deployments/web";
    const { body } = await upstream.send("GET", path, "", undefined);
    expect(JSON.stringify(body)).toContain('"replicas":5');

    await page.click("Delete");
    await page.shows("Deployment web");
    await page.click("Delete", ".why");
    await page.shows("it has been deleted");
    await page.go("view=rights");
    await page.click("Ask");
    await page.shows(/Ask\s*yes/);
    expect(browser.errors).toEqual([]);
    await page.go("view=store");
    await page.shows("this API server does not show its store: it is another vendor's");
    await page.go("kind=pods&of=default&name=lonely");
    await page.click("Timeline");
    await page.shows("one of another vendor shows none");
    await page.go("kind=services&of=default&name=web");
    // The answer of another vendor's kubelet, of which there is none here.
    await browser.evaluate(`(() => {
        const real = fetch;
        window.fetch = async (url, given) => url.includes("/nodes/foreign/proxy/network/rules?")
          ? new Response("404 page not found", { status: 404 })
          : real(url, given);
      })()`);
    await page.click("Path");
    await page.shows("The kubelet of this node does not show rules: it is another vendor's.");
  });
});
