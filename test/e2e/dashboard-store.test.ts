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

const TIMEOUT_MS = 120_000;
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
}, TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await api?.close();
  await etcd?.close();
  await store.stopAll();
}, TIMEOUT_MS);

/** The column of roles, in the order of the endpoints. */
const roles = () =>
  browser.evaluate<string[]>(
    "[...document.querySelectorAll('tbody tr')].map((row) => row.cells[1].innerText)",
  );

it(
  "shows each member's role, live, also when the one that leads has gone",
  async () => {
    await page.go("view=store");
    const kinds = async () => (await roles()).map((role) => role.split(" ")[0]).sort();
    await expect.poll(kinds, POLL).toEqual(["follows", "follows", "leader"]);
    const led = (await roles()).indexOf("leader");
    const [id] = await browser.evaluate<string[]>(
      `[document.querySelectorAll('tbody tr')[${led}].cells[0].innerText]`,
    );
    expect(await roles()).toContain(`follows ${id}`);
    await store.stop(members[led]!);
    await expect.poll(kinds, POLL).toEqual(["does", "follows", "leader"]);
    expect((await roles())[led]).toBe("does not answer");
    expect((await roles()).indexOf("leader")).not.toBe(led);
  },
  TIMEOUT_MS,
);
