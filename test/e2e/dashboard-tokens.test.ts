import { createServer, request } from "node:http";
import { createServer as createTlsServer, type Server } from "node:https";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { SESSION_MS } from "@raft2kube/dashboard/limits.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { tokenAccess } from "@raft2kube/dashboard/server/token-access.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser } from "../../labs/testing/browser.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { listening } from "../../testing/listening.ts";
import { DashboardPage, DESK, PHONE } from "./dashboard-page.ts";

const NAMED = "dashboard.example";
const OTHER = "rebound.example";
/** These names lead to this machine, as DNS of an attacker can make them. */
const FLAGS = [
  `--host-resolver-rules=MAP ${NAMED} 127.0.0.1, MAP ${OTHER} 127.0.0.1`,
  "--ignore-certificate-errors",
];
const DEFAULT = "/api/v1/namespaces/default";
const RBAC = "rbac.authorization.k8s.io/v1";

const own = fileApiserver();
const clock = new ManualClock();
let plain: Awaited<ReturnType<typeof serveDashboard>>;
/** An Ingress with TLS. */
let encrypted: Server;
let encryptedPort: number;
let browser: Browser;
let page: DashboardPage;
let token = "";

const post = (path: string, body: object) => own.ask(path, { method: "POST", body });
const start = () => Browser.start((program, args) => [program, ...FLAGS, ...args]);

beforeAll(async () => {
  for (const name of ["default", "viewer"]) {
    await post(`${DEFAULT}/serviceaccounts`, { metadata: { name } });
  }
  const verbs = ["get", "list", "watch"];
  const rules = [{ apiGroups: [""], resources: ["pods", "namespaces"], verbs }];
  await post(`/apis/${RBAC}/clusterroles`, { metadata: { name: "viewer" }, rules });
  await post(`/apis/${RBAC}/clusterrolebindings`, {
    metadata: { name: "viewer" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "viewer" },
    subjects: [{ kind: "ServiceAccount", name: "viewer", namespace: "default" }],
  });
  const { body } = await post(`${DEFAULT}/serviceaccounts/viewer/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {},
  });
  ({ token } = (JSON.parse(body) as { status: { token: string } }).status);
  await post(`${DEFAULT}/pods`, {
    metadata: { name: "first" },
    spec: { containers: [{ name: "c", image: "i" }], automountServiceAccountToken: false },
  });
  const connection = { server: own.api.server, ca: own.api.ca.cert };
  const access = tokenAccess(upstreamTo(connection, systemClock()), [NAMED], clock);
  const tls = await createCa({
    commonName: "dashboard",
    usages: ["server"],
    days: 1,
    now_ms: Date.now(),
  });
  const assets = await pageAssets("");
  plain = await serveDashboard(access, assets);
  encrypted = createTlsServer(tls, ({ url, headers }, response) => {
    request({ port: plain.port, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  });
  encryptedPort = await listening(encrypted);
  browser = await start();
  page = await DashboardPage.open(browser, plain.link);
});

afterAll(async () => {
  await browser?.close();
  await plain?.close();
  encrypted?.close();
});

async function signIn(at = page): Promise<void> {
  await at.fill("Token", token);
  await at.click("Sign in");
  await at.shows("first");
}

describe("a dashboard that people sign in to", () => {
  it("asks for a token, at a desk and on a phone, without a violation of axe-core", async () => {
    for (const look of [PHONE, DESK]) {
      await page.go("kind=pods", look);
      await page.shows("no others");
      expect(await page.violations()).toEqual([]);
    }
    await page.picture("login");
  });

  it("refuses a token that the API server does not accept", async () => {
    for (const wrong of ["wrong", `${token}x`, "a token\n"]) {
      await page.fill("Token", wrong);
      await page.click("Sign in");
      await page.shows("the API server does not accept this token");
    }
    expect(await page.text()).not.toContain("first");
  });

  it("has the rights of the token, and no others", async () => {
    await signIn();
    await page.go("kind=secrets");
    await page.shows(/"system:serviceaccount:default:viewer" cannot list resource "secrets"/);
    await page.go("kind=pods&of=default&name=first");
    await page.shows("Pod first waits for the scheduler");
    await page.click("Delete");
    await page.click("Delete", ".why");
    await page.shows(/cannot delete resource "pods"/);
    expect((await own.ask(`${DEFAULT}/pods/first`)).status).toBe(200);
  });

  it("neither signs in nor ends a session by a link with a ticket", async () => {
    const kept = () => browser.evaluate<string>("sessionStorage['r2k-dashboard-session']");
    const before = await kept();
    await page.go("ticket=of-another");
    await page.shows("first");
    expect(await kept()).toBe(before);
  });

  it("names kubectl for a port: its own loopback is not the browser's", async () => {
    await page.go("kind=pods&of=default&name=first");
    await page.shows("kubectl port-forward -n default first PORT");
  });

  it("leaves no cookie and no token in the browser", async () => {
    const kept = await browser.evaluate<string>(
      "JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])",
    );
    const [cookie, local, session] = JSON.parse(kept) as [string, object, Record<string, string>];
    expect([cookie, local]).toEqual(["", {}]);
    expect(Object.keys(session)).toEqual(["r2k-dashboard-session"]);
    const secret = Object.values(session)[0]!;
    const bytes = Buffer.from(secret, "base64url").toString("latin1");
    for (const text of [secret, bytes]) expect(text).not.toContain(token.slice(0, 20));
    // To another process, this one after a restart too, it is nothing.
    const to = upstreamTo({ server: own.api.server }, systemClock());
    expect(await tokenAccess(to, [], clock).sessionOf(secret)).toBeUndefined();
  });

  it("asks again after a sign-out, and when the session has expired", async () => {
    await page.click("Sign out");
    await page.shows("no others");
    await signIn();
    clock.advance(SESSION_MS + 1);
    await page.go("kind=pods");
    await page.shows("no others");
    expect(await page.text()).not.toContain("first");
    await signIn();
  });

  it("asks again when the API server no longer accepts the token", async () => {
    await own.ask(`${DEFAULT}/serviceaccounts/viewer`, { method: "DELETE" });
    const gone = async () => {
      await page.go("kind=pods");
      return await page.text();
    };
    await expect.poll(gone).toContain("no others");
    // The page may load itself once more, without what was typed.
    const again = async () => {
      const typed = "document.querySelector('input')?.value";
      if ((await page.browser.evaluate(typed)) !== token) {
        await page.fill("Token", token);
        await page.click("Sign in");
      }
      return await page.text();
    };
    await expect.poll(again).toContain("the API server does not accept this token");
  });
});

describe("attacks", () => {
  it("answers by its own names alone: another that leads here is refused", async () => {
    const rebound = await DashboardPage.open(browser, `http://${OTHER}:${plain.port}/`);
    await rebound.shows("this name is not the dashboard's");
    expect(await browser.evaluate<number>("document.scripts.length")).toBe(0);
    const known = await DashboardPage.open(browser, `https://${NAMED}:${encryptedPort}/`);
    await known.shows("Sign in");
  });

  it("takes no token in clear text over a network", async () => {
    const known = await DashboardPage.open(browser, `http://${NAMED}:${plain.port}/`);
    await known.shows("A token would cross the network in clear text");
    expect(await known.text()).not.toContain("Sign in");
  });

  it("does nothing for a page of another site, in a browser with a session", async () => {
    const site = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(`<p>outside</p><iframe src="${plain.link}"></iframe>`);
    });
    const port = await listening(site);
    try {
      await browser.open(`http://127.0.0.1:${port}/`, DESK);
      await expect.poll(() => browser.errors.join()).toMatch(/Refused to (display|frame)/);
      const outcomes = await browser.evaluate<string[]>(`Promise.all([
        fetch("${plain.link}kube/api/v1/pods", { credentials: "include" }),
        fetch("${plain.link}kube/api/v1/pods", { headers: { "x-r2k-dashboard": "x" } }),
        fetch("${plain.link}login", { method: "POST", body: "x" }),
        fetch("${plain.link}main.js"),
        new Promise((resolve, reject) => {
          const socket = new WebSocket("${plain.link.replace("http", "ws")}stream/api/v1/pods");
          socket.onopen = () => resolve();
          socket.onerror = () => reject(new TypeError("refused"));
        }),
      ].map((each) => each.then(() => "read", ({ name }) => name)))`);
      expect(new Set(outcomes)).toEqual(new Set(["TypeError"]));
    } finally {
      site.close();
    }
  });
});
