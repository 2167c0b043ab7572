import { createServer, request } from "node:http";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { policyOf } from "@raft2kube/dashboard/server/gate.ts";
import { linkAccess } from "@raft2kube/dashboard/server/link-access.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Browser } from "../../labs/testing/browser.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { listening } from "../../testing/listening.ts";
import { DashboardPage, DESK, PHONE } from "./dashboard-page.ts";

// Takes turns, a cluster in people's hands: see operations.test.ts.
const FIRST_LOAD_BYTES_MAX = 300 << 10;
const HTML = "<img src=x onerror=document.title='run'>";

const own = fileApiserver();
let server: Awaited<ReturnType<typeof serveDashboard>>;
let browser: Browser;
let page: DashboardPage;
let base = "";

const post = (path: string, body: object) => own.ask(path, { method: "POST", body });
const pod = (name: string, labels = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels, annotations: { note: HTML } },
  spec: { containers: [{ name: "c", image: "i" }], automountServiceAccountToken: false },
});
const pods = "/api/v1/namespaces/default/pods";

beforeAll(async () => {
  const connection = { ...own.admin, server: own.api.server, ca: own.api.ca.cert };
  const upstream = upstreamTo(connection, systemClock());
  server = await serveDashboard(linkAccess(upstream), await pageAssets(""));
  base = `http://127.0.0.1:${server.port}/`;
  browser = await Browser.start();
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } };
  await post("/api/v1/namespaces/default/serviceaccounts", account);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The status of a request with these headers. */
function statusOf(path: string, headers: Record<string, string> = {}, method = "GET", body = "") {
  return new Promise<number>((resolve, reject) => {
    const call = request(new URL(path, base), { headers, method }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on("error", reject).end(body);
  });
}

describe("the dashboard's server", () => {
  it("refuses foreign names, other sites, and browsers without its session", async () => {
    expect(await statusOf("/", { host: "evil.example" })).toBe(403);
    expect(await statusOf("/", { origin: "http://evil.example" })).toBe(403);
    expect(await statusOf("/main.js", { "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await statusOf("/main.js", { "sec-fetch-site": "same-site" })).toBe(403);
    expect(await statusOf("/login", {}, "POST", "x")).toBe(401);
    expect(await statusOf("/kube/api/v1/pods")).toBe(401);
    expect(await statusOf("/kube/api/v1/pods", { "x-r2k-dashboard": "1" })).toBe(401);
    expect(await statusOf("/forwards/default/p/80", { "x-r2k-dashboard": "" }, "POST")).toBe(401);
  });

  it("lets no page frame it", async () => {
    const frame = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<p>outside</p><iframe src="${base}"></iframe>`);
    });
    const at = await listening(frame);
    const tenant = await Browser.start();
    try {
      await tenant.open(`http://127.0.0.1:${at}/`, DESK);
      await expect.poll(() => tenant.errors.join()).toMatch(/Refused to (display|frame)/);
    } finally {
      await tenant.close();
      frame.close();
    }
    const { headers } = await fetch(base);
    expect(headers.get("x-frame-options")).toBe("DENY");
    const policy = headers.get("content-security-policy")!;
    expect(policy.replace(/nonce-[\w+/=-]+/, "nonce-NONCE")).toBe(policyOf("NONCE"));
  });

  it("opens no stream to another site, or without the session", async () => {
    const answer = (protocol: string, origin: string) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(
          base.replace("http", "ws") + "stream/api/v1/pods",
          ["r2k.stream", protocol],
          { origin },
        );
        socket.on("unexpected-response", (_, { statusCode = 0 }) => resolve(statusCode));
        socket.on("open", () => resolve(101));
        socket.on("error", () => socket.terminate());
      });
    expect(await answer("r2k.session.x", base.slice(0, -1))).toBe(401);
    expect(await answer("r2k.session.x", "http://evil.example")).toBe(403);
  });
});

describe("the dashboard's page", () => {
  it("opens by its link, once, and loads at most 300 KiB", async () => {
    const { link } = server;
    page = await DashboardPage.open(browser, link);
    await page.shows("There are none here.");
    const ticket = new URL(link).hash.replace("#ticket=", "");
    expect(await statusOf("/login", {}, "POST", ticket)).toBe(401);
    const assets = await pageAssets("");
    const loaded = await browser.evaluate<string[]>(
      "performance.getEntriesByType('resource').map(({ name }) => name)",
    );
    expect(loaded.filter((name) => !name.startsWith(base))).toEqual([]);
    const files = loaded.flatMap((name) => assets.get(new URL(name).pathname.slice(1)) ?? []);
    expect(files.length).toBeGreaterThan(1);
    const bytes = files.reduce((sum, { gzip }) => sum + gzip.length, 0);
    expect(bytes).toBeLessThan(FIRST_LOAD_BYTES_MAX);
  });

  it("sends nothing to another host, whatever part of it asks", async () => {
    const asked: string[] = [];
    const other = createServer(({ url }, response) => response.end(asked.push(url!)));
    const port = await listening(other);
    const refused = await browser.evaluate<string[]>(`(async () => {
      const [url, refused] = ["http://127.0.0.1:${port}/", new Set()];
      addEventListener("securitypolicyviolation", (e) => refused.add(e.effectiveDirective));
      const add = (tag, of) => {
        const made = Object.assign(document.createElement(tag), of);
        return document.body.appendChild(made);
      };
      const tags = ["img", "script", "iframe"].map((tag) => add(tag, { src: url + tag }));
      tags.push(add("link", { rel: "stylesheet", href: url + "style" }));
      tags.push(add("form", { action: url + "form" }));
      tags.at(-1).submit();
      await fetch(url + "fetch").catch(() => {});
      const [end_ms, next] = [performance.now() + 10_000, (then) => setTimeout(then, 20)];
      while (refused.size < 6 && performance.now() < end_ms) await new Promise(next);
      for (const each of tags) each.remove();
      return [...refused].sort();
    })()`);
    other.close();
    const directives = ["connect-src", "form-action", "frame-src", "img-src"];
    expect(refused).toEqual([...directives, "script-src-elem", "style-src-elem"]);
    expect(asked).toEqual([]);
    browser.errors.length = 0;
  });

  it("shows pods live, one with HTML in it as text, and why it is Pending", async () => {
    expect((await post(pods, pod("first"))).status).toBe(201);
    await page.shows("first");
    await page.go("kind=pods&of=default&name=first");
    await page.shows("Pod first waits for the scheduler");
    await page.click("YAML");
    const yaml = `document.querySelector("textarea")?.value ?? ""`;
    await expect.poll(() => browser.evaluate<string>(yaml)).toContain(HTML);
    expect(await browser.evaluate<string>("document.title")).toBe("raft2kube");
    expect(browser.errors).toEqual([]);
  });

  it("refuses to edit another object than the one that is open", async () => {
    const yaml = await browser.evaluate<string>(`document.querySelector("textarea").value`);
    for (const [own, others, refusal] of [
      ["  name: first", "  name: other", "does not match the name on the URL"],
      ["namespace: default", "namespace: other", "does not match the namespace sent"],
      ["kind: Pod", "kind: Service", 'this edits an object that is no "Service"'],
      ["", "", "Pod first would be unchanged"],
    ]) {
      await page.fill("YAML", yaml.replace(own!, others!));
      await page.click("Show what changes");
      await page.shows(refusal!);
    }
  });

  it("shows a difference before it applies a change, and applies it", async () => {
    const yaml = await browser.evaluate<string>(`document.querySelector("textarea").value`);
    await page.fill("YAML", yaml.replace("note: ", "more: yes-please\n    note: "));
    await page.click("Show what changes");
    await page.shows("more: yes-please");
    await page.picture("difference");
    expect(JSON.stringify(await own.ask(`${pods}/first`))).not.toContain("yes-please");
    await page.click("Apply");
    await page.shows("Pod first is changed");
    expect(JSON.stringify(await own.ask(`${pods}/first`))).toContain("yes-please");
  });

  it("filters by labels, and by a part of the name", async () => {
    await post(pods, pod("second", { app: "two" }));
    await page.go("kind=pods&ns=default");
    await page.shows(/first[^]*second/);
    await page.fill("Label selector", "app=two");
    const names = () =>
      browser.evaluate<string>(
        "[...document.querySelectorAll('.link')].map((each) => each.textContent).join()",
      );
    await expect.poll(names).toBe("second");
    await page.fill("Label selector", "");
    await expect.poll(names).toBe("first,second");
    await page.fill("Filter by name", "fir");
    await expect.poll(names).toBe("first");
  });

  it("is used by keys alone: palette, namespace, rows, tabs, a confirmation, and back", async () => {
    const gone = { kind: "ReplicaSet", apiVersion: "apps/v1", name: "keeper", uid: "u" };
    const owned = pod("owned");
    await post(pods, { ...owned, metadata: { ...owned.metadata, ownerReferences: [gone] } });
    await page.go("kind=pods&of=default&name=owned");
    await page.shows(/Owner\s+ReplicaSet keeper/);
    await page.tabTo("YAML");
    await browser.press("Enter");
    await page.shows("Show what changes");
    await page.tabTo("Delete");
    await browser.press("Enter");
    await page.shows(/Pod owned\s+Delete/);
    await page.tabTo("Delete");
    await browser.press("Enter");
    await page.shows("it has been deleted");
    await browser.press("Escape");
    await page.shows(/first[^]*second/);
    await expect.poll(() => page.text()).not.toContain("owned");
    await page.go("kind=jobs.batch");
    await page.shows("There are none here.");
    await browser.press("k", true);
    const typesInto = () => browser.evaluate<string>("document.activeElement.ariaLabel ?? ''");
    await expect.poll(typesInto).toBe("Command");
    await browser.type("default namespace");
    await browser.press("Enter");
    const inAddress = () => browser.evaluate<string>("location.hash");
    await expect.poll(inAddress).toContain("ns=default");
    await browser.press("k", true);
    await expect.poll(typesInto).toBe("Command");
    await browser.type("po");
    await page.shows(/Go to\s+✕\s+Pod\s/);
    await page.picture("palette");
    await browser.press("ArrowDown");
    await browser.press("Enter");
    await page.shows(/first[^]*second/);
    await browser.evaluate("document.querySelector('.scroll').focus()");
    await browser.press("ArrowDown");
    await browser.press("ArrowDown");
    await browser.press("Enter");
    await page.shows("Pod second");
    await browser.press("Escape");
    await expect.poll(() => page.text()).not.toContain("Pod second");
    await browser.press("?");
    await page.shows(/Create from YAML\s+c\s/);
    await browser.press("Escape");
    await post("/api/v1/namespaces", { metadata: { name: "created-later" } });
    await page.shows("created-later");
    await page.fill("Namespace", "created-later");
    await page.shows("There are none here.");
    expect(await inAddress()).toContain("ns=created-later");
  });

  it("says what its user may do", async () => {
    await page.go("view=rights&ns=default");
    await page.fill("Resource", "deployments.apps/scale web");
    await page.click("Ask");
    await page.shows(/Ask\s*yes/);
    await page.picture("rights");
  });

  it("shows the API server's traffic, errors, latency and saturation", async () => {
    await page.go("view=signals");
    const asked = async () => {
      await own.ask(pods);
      return await page.text();
    };
    await expect.poll(asked).toMatch(/requests\s*(?!0\/s)[\d.]+\/s[^]*half\s*[1-9][\d.]* m?s/);
    await page.graphs();
    await page.picture("signals");
    await page.shows(/at\s*last\s*requests/);
    await browser.evaluate(`(() => {
      const graph = document.querySelector(".graph .u-over");
      const { left, top, width } = graph.getBoundingClientRect();
      const at = { clientX: left + width - 2, clientY: top + 9, bubbles: true };
      for (const type of ["mouseenter", "mousemove"]) graph.dispatchEvent(new MouseEvent(type, at));
    })()`);
    await page.shows(/at\s*\d\d:\d\d:\d\d\s*requests/);
  });

  it("shows the store's member, live", async () => {
    await page.go("view=store");
    await page.shows(/leader(\s+[\da-f]+){6}/);
    const applied = () =>
      browser.evaluate<number>("Number(document.querySelectorAll('td')[6].innerText)");
    const before = await applied();
    await post(pods, pod("another"));
    await expect.poll(applied).toBeGreaterThan(before);
  });

  it("fits a phone, with an object open too", async () => {
    const beyond = () =>
      browser.evaluate<string[]>(`
        [...document.querySelectorAll("body, button")]
          .filter((each) => !each.closest(".scroll") && each.getBoundingClientRect().right > innerWidth)
          .map((each) => each.outerHTML)`);
    await page.go("kind=pods&of=default&name=first", PHONE);
    await page.shows("Usage");
    expect(await beyond()).toEqual([]);
    await page.go("kind=pods", PHONE);
    await page.shows("first");
    expect(await beyond()).toEqual([]);
    await page.picture("phone", PHONE);
  });

  it("opens, lists, scales, and has logs of a kind that was defined after it was loaded", async () => {
    await page.go("kind=pods");
    await page.shows("first");
    const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const column = { name: "Size", type: "integer", jsonPath: ".spec.size" };
    const scale = { specReplicasPath: ".spec.size", statusReplicasPath: ".status.size" };
    const version = {
      ...{ name: "v1", served: true, storage: true },
      ...{ schema: { openAPIV3Schema: schema }, subresources: { scale } },
    };
    await post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "widgets.example.com" },
      spec: {
        ...{ group: "example.com", scope: "Namespaced" },
        names: { plural: "widgets", kind: "Widget" },
        versions: [{ ...version, additionalPrinterColumns: [column] }],
      },
    });
    await page.click("Widget");
    await page.shows("There are none here.");
    const widgets = "/apis/example.com/v1/namespaces/default/widgets";
    const widget = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "round" } };
    await post(widgets, { ...widget, spec: { size: 3 } });
    await page.shows(/round\s+3/);
    await page.click("round");
    await page.click("YAML");
    const yaml = () => browser.evaluate<string>(`document.querySelector("textarea")?.value ?? ""`);
    await expect.poll(yaml).toContain("size: 3");
    await page.fill("YAML", (await yaml()).replace("size: 3", "size: 5"));
    await page.click("Show what changes");
    await page.shows(/- +size: 3[^]*\+ +size: 5/);
    await page.click("Apply");
    await page.shows("Widget round is changed");
    await page.click("Scale");
    const replicas = () => browser.evaluate<string>("document.querySelector('[name=value]').value");
    await expect.poll(replicas).toBe("5");
    await page.fill("Replicas", "7");
    await page.click("Scale", ".why");
    await page.shows("Scale: done");
    await page.click("✕");
    await page.shows(/round\s+7/);
    for (const color of ["red", "blue"]) await post(pods, pod(color, { color }));
    const matchExpressions = [{ key: "color", operator: "Exists" }];
    const shown = "document.querySelector('[aria-label=Container]')?.innerText ?? ''";
    for (const [name, selector, containers] of [
      ["expressed", { matchExpressions }, "all 2\nblue c\nred c"],
      ["plain", { color: "red" }, "c"],
    ] as const) {
      await post(widgets, { ...widget, metadata: { name }, spec: { selector, template: {} } });
      await page.go(`kind=widgets.example.com&of=default&name=${name}`);
      await page.click("Log");
      await expect.poll(() => browser.evaluate(shown)).toBe(containers);
    }
  });
});

describe("bad input", () => {
  it("shows escape sequences and HTML of tenants as text", async () => {
    await post("/api/v1/namespaces/default/events", {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "e" },
      type: "Warning",
      reason: "Evil",
      involvedObject: { apiVersion: "v1", kind: "Pod", name: "first", namespace: "default" },
      message: `${HTML} \u001b]0;run\u0007 \u202ereversed`,
    });
    await page.go("kind=pods&of=default&name=first");
    await page.shows(`${HTML} \\x1b]0;run\\x07 \\u202ereversed`);
    expect(await browser.evaluate<string>("document.title")).toBe("raft2kube");
    expect(await browser.evaluate<number>("document.images.length")).toBe(0);
  });

  it("shows what is not seen in titles, labels' keys, conditions and explanations", async () => {
    const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const kind = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole" };
    await post(roles, { ...kind, metadata: { name: "a\u202eb\u200bc" } });
    await page.go(
      `kind=clusterroles.rbac.authorization.k8s.io&name=${encodeURIComponent("a\u202eb\u200bc")}`,
    );
    await page.shows("ClusterRole a\\u202eb\\u200bc");
    const label = await browser.evaluate<string>("document.querySelector('dialog').ariaLabel");
    expect(label).toBe("ClusterRole a\\u202eb\\u200bc");
    await post(pods, pod("sly"));
    const message = `no \u001b[31m node \u2066at all`;
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
    const lastTransitionTime = new Date(0).toISOString();
    const status = { conditions: [{ ...condition, lastTransitionTime }] };
    const headers = { "content-type": "application/merge-patch+json" };
    await own.ask(`${pods}/sly/status`, { method: "PATCH", body: { status }, headers });
    await page.go("kind=pods&of=default&name=sly");
    await page.shows(/no \\x1b\[31m node \\u2066at all[^]*no \\x1b\[31m node \\u2066at all/);
  });

  it("counts ages by the server's clock, in a browser that is three days ahead", async () => {
    await page.go("kind=namespaces");
    await page.shows("kube-system");
    await browser.evaluate(`(() => {
      const real = Date.now;
      Date.now = () => real() + 3 * 86_400_000;
      location.hash = "kind=pods&ns=default";
    })()`);
    await page.shows(/first\s[^]*\s(\d+[sm])+\s[^]*second\s[^]*\s(\d+[sm])+/);
    expect(await page.text()).not.toMatch(/\b[23]d\b/);
    await page.go("kind=pods&ns=default");
  });

  it("says what a user without rights may not see", async () => {
    const nobody = await own.api.credentials("nobody");
    const connection = { ...nobody, server: own.api.server, ca: own.api.ca.cert };
    const to = upstreamTo(connection, systemClock());
    const other = await serveDashboard(linkAccess(to), await pageAssets(""));
    try {
      const theirs = await DashboardPage.open(browser, other.link);
      await theirs.shows(/pods is forbidden: User "nobody" cannot list resource "pods"/);
      await theirs.go("kind=pods&of=default&name=first");
      await theirs.shows(/cannot get resource "pods"/);
      await theirs.go("view=rights&ns=default");
      await theirs.fill("Resource", "pods");
      await theirs.click("Ask");
      await theirs.shows(/Ask\s*no/);
    } finally {
      await other.close();
    }
  });

  it("says that the API server is away, and goes on when it is back", async () => {
    await page.go("kind=pods&ns=default");
    await page.shows("second");
    await own.api.apiserver.close();
    await page.shows(/the API server does not answer|the connection was lost/);
    await page.shows("second");
    await own.api.restart();
    await post(pods, pod("third"));
    await page.shows("third");
    await expect.poll(() => page.text()).not.toMatch(/does not answer|was lost/);
  });

  it("does not ask again and again for an object older than the server's history", async () => {
    await page.go("kind=pods&of=default&name=first");
    await page.shows("Pod first waits");
    await post(pods, pod("fourth"));
    await page.shows("fourth");
    const asked =
      "performance.getEntriesByType('resource').filter(({ name }) => " +
      "name.endsWith('/pods/first')).length";
    expect(await page.browser.evaluate<number>(asked)).toBeLessThan(3);
  });
});

describe("axe-core finds no violation", () => {
  const first = "kind=pods&of=default&name=first";
  it.each([
    ["a list", "kind=pods", "second", ""],
    ["an empty list", "kind=jobs.batch", "There are none here.", ""],
    ["an object", first, "Pod first waits", ""],
    ["YAML", first, "Show what changes", "YAML"],
    ["a log", first, "Download", "Log"],
    ["a terminal", first, "Connect again", "Terminal"],
    ["usage", first, "From metrics.k8s.io", "Usage"],
    ["a deletion", first, /Pod first\s+Delete/, "Delete"],
    ["creation", "kind=pods", "Objects without a namespace", "Create"],
    ["the palette", "kind=pods", /Go to\s+✕/, "Go to Ctrl K"],
    ["the API server's signals", "view=signals", "Saturation", ""],
    ["the store", "view=store", "leader", ""],
    ["a packet's path", first, "it has no address yet", "Path"],
    ["a timeline", first, "No traces of it are kept", "Timeline"],
    ["rights", "view=rights", "in default", ""],
  ])("on %s, light at a desk and dark on a phone", async (_, place, shown, click) => {
    await page.go(place);
    if (click !== "") await page.click(click);
    for (const look of [DESK, PHONE]) {
      await browser.look(look);
      await page.shows(shown);
      expect(await page.violations()).toEqual([]);
    }
  });
});
