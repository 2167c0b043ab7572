import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { linkAccess } from "@raft2kube/dashboard/server/link-access.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Browser } from "../../labs/testing/browser.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { type TestMember, TestMembers } from "../../testing/store/members.ts";
import { DashboardPage } from "./dashboard-page.ts";

// Takes turns, a cluster in people's hands: see operations.test.ts.

const POLL = { timeout: 50_000 };

const store = new TestMembers();
let members: TestMember[];
let etcd: EtcdClient;
let api: TestApiserver;
let server: Awaited<ReturnType<typeof serveDashboard>>;
let browser: Browser;
let page: DashboardPage;

beforeAll(async () => {
  members = await store.startThree();
  etcd = connectEtcd({ endpoints: members.map(({ store: each }) => `http://${each!.address}`) });
  api = await startTestApiserver(etcd);
  const admin = await api.credentials("admin", ["system:masters"]);
  const connection = { ...admin, server: api.server, ca: api.ca.cert };
  server = await serveDashboard(
    linkAccess(upstreamTo(connection, systemClock())),
    await pageAssets(""),
  );
  browser = await Browser.start();
  page = await DashboardPage.open(browser, server.link);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await api?.close();
  await etcd?.close();
  await store.stopAll();
});

/** Reads the rows of the view, in the order of the endpoints. */
async function rows() {
  const cells = await browser.evaluate<string[][]>(
    `[...document.querySelectorAll("tbody tr")].map(({ cells }) =>
      [...cells].map((each) => each.innerText))`,
  );
  return cells.map(([id, role, term, vote, index, commit]) => {
    return { id, role: role!, term: Number(term), vote, index, commit };
  });
}
type Rows = Awaited<ReturnType<typeof rows>>;

/** Whether the members that answer are in one term, whose leader has a majority of the votes. */
function isElected(shown: Rows): boolean {
  const [leader] = shown.filter(({ role }) => role === "leader");
  const answering = shown.filter(({ vote }) => vote !== "");
  const votes = answering.filter(({ vote }) => vote === leader?.id);
  return votes.length > 1 && answering.every(({ term }) => term === leader!.term);
}

it("shows each member's role, vote and log, live, also when the one that leads has gone", async () => {
  await page.go("view=store");
  const kinds = async () => (await rows()).map(({ role }) => role.split(" ")[0]).sort();
  await expect.poll(kinds, POLL).toEqual(["follows", "follows", "leader"]);
  await expect.poll(async () => isElected(await rows()), POLL).toBe(true);
  const before = await rows();
  const led = before.findIndex(({ role }) => role === "leader");
  const { id, term, index } = before[led]!;
  expect(Number(index)).toBeGreaterThan(0);
  expect(before.map(({ role }) => role)).toContain(`follows ${id}`);
  // The API server may write meanwhile.
  const logs = async () => new Set((await rows()).flatMap((each) => [each.index, each.commit]));
  await expect.poll(async () => (await logs()).size, POLL).toBe(1);
  await page.picture("store");
  await store.stop(members[led]!);
  await expect.poll(kinds, POLL).toEqual(["does", "follows", "leader"]);
  await expect.poll(async () => isElected(await rows()), POLL).toBe(true);
  const after = await rows();
  expect(after[led]!.role).toBe("does not answer");
  expect(after.findIndex(({ role }) => role === "leader")).not.toBe(led);
  expect(Math.max(...after.map((each) => each.term))).toBeGreaterThan(term);
});
