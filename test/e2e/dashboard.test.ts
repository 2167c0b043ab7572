import { request } from "node:http";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { DashboardServer } from "@raft2kube/dashboard/server/server.ts";
import { Upstream } from "@raft2kube/dashboard/server/upstream.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser } from "../../labs/testing/browser.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const TIMEOUT_MS = 120_000;
const DESK = { scheme: "light", width: 1_280, height: 800 } as const;
const PHONE = { scheme: "dark", width: 390, height: 800 } as const;
const FIRST_LOAD_BYTES_MAX = 300 << 10;
const HTML = "<img src=x onerror=document.title='run'>";

const own = fileApiserver();
let server: DashboardServer;
let browser: Browser;
let base = "";

const post = (path: string, body: object) => own.ask(path, { method: "POST", body });
const text = () => browser.evaluate<string>("document.body.innerText");
const shows = (what: string) => waitFor(what, async () => (await text()).includes(what),
  { clock: systemClock(), timeout_ms: 20_000 });

const pod = (name: string) => ({
  apiVersion: "v1", kind: "Pod", metadata: { name, annotations: { note: HTML } },
  spec: { containers: [{ name: "c", image: "i" }], automountServiceAccountToken: false },
});

beforeAll(async () => {
  const connection = { ...own.admin, server: own.api.server, ca: own.api.ca.cert };
  const upstream = new Upstream(connection, systemClock());
  server = await DashboardServer.listen(upstream, await pageAssets(""), 0);
  base = `http://127.0.0.1:${server.port}/`;
  browser = await Browser.start();
}, TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The status of a request with these headers. */
function statusOf(path: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, base), { headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on("error", reject).end();
  });
}

describe("the dashboard", { timeout: TIMEOUT_MS }, () => {
  it("refuses foreign names, other sites, and browsers without its session", async () => {
    expect(await statusOf("/login", { host: "evil.example" })).toBe(403);
    expect(await statusOf("/login", { origin: "http://evil.example" })).toBe(403);
    expect(await statusOf("/login", { "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await statusOf("/login?ticket=x")).toBe(401);
    expect(await statusOf("/")).toBe(401);
    expect(await statusOf("/kube/api/v1/pods", { "x-r2k-dashboard": "1" })).toBe(401);
  });

  it("opens by its link, once, and loads at most 300 KiB", async () => {
    const { link } = server;
    await browser.open(link, DESK);
    await shows("There are none here.");
    expect(await statusOf(link)).toBe(401);
    const assets = await pageAssets("");
    const first = [...assets.values()].reduce((sum, { gzip }) => sum + gzip.length, 0);
    expect(first).toBeLessThan(FIRST_LOAD_BYTES_MAX);
  });

  it("shows pods live, one with HTML in it as text, and why it is Pending", async () => {
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } };
    await post("/api/v1/namespaces/default/serviceaccounts", account);
    expect((await post("/api/v1/namespaces/default/pods", pod("first"))).status).toBe(201);
    await shows("first");
    await browser.open(`${base}#kind=pods&of=default&name=first`, DESK);
    await shows("Pod first waits for the scheduler");
    await browser.evaluate(`[...document.querySelectorAll(".tabs button")][1].click()`);
    const yaml = `document.querySelector("textarea")?.value ?? ""`;
    await waitFor("YAML", async () => (await browser.evaluate<string>(yaml)).includes(HTML),
      { clock: systemClock() });
    expect(await browser.evaluate<string>("document.title")).toBe("raft2kube");
    expect(browser.errors).toEqual([]);
  });

  it("shows a difference before it applies a change", async () => {
    await browser.evaluate(`(() => {
      const area = document.querySelector("textarea");
      area.value = area.value.replace("note: ", "more: yes-please\\n    note: ");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    })()`);
    await browser.evaluate(`[...document.querySelectorAll("dialog p button")][0].click()`);
    await shows("more: yes-please");
    const before = await own.ask("/api/v1/namespaces/default/pods/first");
    expect(JSON.stringify(before)).not.toContain("yes-please");
  });

  it("fits a phone", async () => {
    await browser.open(`${base}#kind=pods`, PHONE);
    await shows("first");
    const [wide, window] = await browser.evaluate<[number, number]>(
      "[document.documentElement.scrollWidth, innerWidth]");
    expect(wide).toBeLessThanOrEqual(window);
  });
});
