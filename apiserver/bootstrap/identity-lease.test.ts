import { hostname } from "node:os";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { identityName } from "@raft2kube/observe/server-identity.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { IDENTITY_RENEW_MS } from "../limits.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const LABELS = { "apiserver.kubernetes.io/identity": "kube-apiserver" };
const TIMEOUT_MS = 60_000;
const system = systemClock();
const waiting = { clock: system, timeout_ms: TIMEOUT_MS };
/** Renews ten times a second. */
const hurried: Clock = {
  ...system,
  after: (delay_ms, fn) => system.after(delay_ms === IDENTITY_RENEW_MS ? 100 : delay_ms, fn),
};
const server = fileApiserver({ clock: hurried });

type Read = Lease & KubeObject;

async function own(): Promise<Read> {
  const { status, body } = await server.ask(`${LEASES}/${identityName(hostname())}`);
  expect(status, body).toBe(200);
  return JSON.parse(body) as Read;
}

async function make(name: string, spec: object, labels: object = LABELS): Promise<void> {
  const body = { metadata: { name, labels }, spec };
  const answer = await server.ask(LEASES, { method: "POST", body });
  expect(answer.status, answer.body).toBe(201);
}

const isThere = async (name: string) => (await server.ask(`${LEASES}/${name}`)).status === 200;

it("a machine's name is upstream's (recorded on a machine named vm)", () => {
  expect(identityName("vm")).toBe("apiserver-wlv32tlttr4jl3gtroqexyxapa");
});

it(
  "the lease is renewed, and created again after its deletion",
  async () => {
    const first = await own();
    expect(first.metadata.labels).toEqual({ ...LABELS, "kubernetes.io/hostname": hostname() });
    expect(first.spec?.leaseDurationSeconds).toBe(3600);
    await waitFor(
      "a later time",
      async () => (await own()).spec!.renewTime! > first.spec!.renewTime!,
      waiting,
    );
    await server.ask(`${LEASES}/${first.metadata.name}`, { method: "DELETE" });
    await waitFor("another", () => isThere(first.metadata.name!), waiting);
    expect((await own()).spec?.holderIdentity).toBe(first.spec?.holderIdentity);
  },
  3 * TIMEOUT_MS,
);

it(
  "a start has a lease of its own, and ends those of servers that are gone",
  async () => {
    const { spec } = await own();
    const recent = new Date().toISOString().replace("Z", "000Z");
    const longAgo = "2001-01-01T00:00:00.000000Z";
    await make("apiserver-gone", { leaseDurationSeconds: 60, renewTime: longAgo });
    await make("apiserver-timeless", { holderIdentity: "x" });
    await make("apiserver-other", { leaseDurationSeconds: 3600, renewTime: recent });
    await make("leader", { leaseDurationSeconds: 60, renewTime: longAgo }, {});
    await server.api.restart();
    expect((await own()).spec?.holderIdentity).not.toBe(spec?.holderIdentity);
    for (const name of ["apiserver-gone", "apiserver-timeless"]) {
      await waitFor(`${name} gone`, async () => !(await isThere(name)), waiting);
    }
    expect(await isThere("apiserver-other")).toBe(true);
    expect(await isThere("leader")).toBe(true);
  },
  3 * TIMEOUT_MS,
);
