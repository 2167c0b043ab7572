import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { FLOW_CONTROL_MEND_MS } from "../../limits.ts";

const LEVELS = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";
const FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";

const AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec";

const system = systemClock();
/** Mends that wait for their time; a test starts them. */
const mends: (() => void)[] = [];
const clock: Clock = {
  ...system,
  after(delay_ms, fn) {
    if (delay_ms !== FLOW_CONTROL_MEND_MS) return system.after(delay_ms, fn);
    mends.push(fn);
    return { cancel: () => void mends.splice(mends.indexOf(fn) >>> 0, 1) };
  },
};

const server = fileApiserver({ clock });
const send = server.ask;

const patch = (path: string, body: object) =>
  send(path, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body,
  });

/** Changes the spec of an object, and says whether the server may mend that. */
async function change(path: string, autoupdate: string | null, spec: object = {}): Promise<void> {
  const metadata = { annotations: { [AUTOUPDATE]: autoupdate } };
  const answer = await patch(path, { metadata, spec });
  expect(answer.status, answer.body).toBe(200);
}

/** Two members of the specs. */
interface Spec {
  readonly matchingPrecedence: number;
  readonly limited: { readonly nominalConcurrencyShares: number };
}
const specOf = async (path: string) => (JSON.parse((await send(path)).body) as { spec: Spec }).spec;
const precedenceOf = async (name: string) => (await specOf(`${FLOWS}/${name}`)).matchingPrecedence;

const annotationOf = async (name: string) => {
  const { body } = await send(`${FLOWS}/${name}`);
  return (JSON.parse(body) as KubeObject).metadata.annotations?.[AUTOUPDATE];
};

it("flow schemas get their specs back at a start, but for those that a user keeps", async () => {
  await change(`${FLOWS}/service-accounts`, "true", { matchingPrecedence: 9001 });
  await change(`${FLOWS}/global-default`, "false", { matchingPrecedence: 9901 });
  await send(`${FLOWS}/probes`, { method: "DELETE" });
  await server.api.restart();
  expect(await precedenceOf("service-accounts")).toBe(9000);
  expect(await precedenceOf("global-default")).toBe(9901);
  expect(await precedenceOf("probes")).toBe(2);
});

it("the annotation, or an unchanged generation, marks objects the server updates", async () => {
  // One changed by a user, which the server keeps; one unchanged; and a mandatory one.
  await change(`${FLOWS}/kube-scheduler`, null, { matchingPrecedence: 801 });
  for (const name of ["system-nodes", "catch-all"]) await change(`${FLOWS}/${name}`, null);
  const spec = { priorityLevelConfiguration: { name: "system" }, matchingPrecedence: 5_000 };
  const make = (name: string, annotations: object) =>
    send(FLOWS, { method: "POST", body: { metadata: { name, annotations }, spec } });
  await make("older-version", { [AUTOUPDATE]: "true" });
  await make("a-users", {});
  await make("a-users-kept", { [AUTOUPDATE]: "false" });

  await server.api.restart();

  expect(await precedenceOf("kube-scheduler")).toBe(801);
  expect(await annotationOf("kube-scheduler")).toBe("false");
  expect(await annotationOf("system-nodes")).toBe("true");
  expect(await annotationOf("catch-all")).toBe("true");
  const left = ["older-version", "a-users", "a-users-kept"].map(
    async (name) => (await send(`${FLOWS}/${name}`)).status,
  );
  expect(await Promise.all(left)).toEqual([404, 200, 200]);
});

it("levels and schemas that are deleted or changed are made again while the server runs", async () => {
  const shares = (nominalConcurrencyShares: number) => ({ limited: { nominalConcurrencyShares } });
  const sharesOf = async (name: string) =>
    (await specOf(`${LEVELS}/${name}`)).limited.nominalConcurrencyShares;
  const gone = [
    `${LEVELS}/exempt`,
    `${LEVELS}/catch-all`,
    `${LEVELS}/system`,
    `${FLOWS}/catch-all`,
  ];
  const statuses = async () =>
    await Promise.all(gone.map(async (each) => (await send(each)).status));
  for (const each of gone) expect((await send(each, { method: "DELETE" })).status).toBe(200);
  await change(`${LEVELS}/workload-low`, "true", shares(7));
  await change(`${LEVELS}/workload-high`, "false", shares(8));
  // The mandatory ones work without their objects.
  const outsider = await server.api.credentials("outsider");
  expect((await send("/version", outsider)).status).toBe(200);
  expect(await statuses()).toEqual([404, 404, 404, 404]);

  for (const mend of mends.splice(0)) mend();
  await waitFor("the objects", async () => (await statuses()).every((each) => each === 200));
  await waitFor("the shares", async () => (await sharesOf("workload-low")) === 100);
  expect(await sharesOf("catch-all")).toBe(5);
  expect(await sharesOf("workload-high")).toBe(8);
  await waitFor("the next mend", () => mends.length > 0);
});

it("the specs of mandatory levels cannot be changed", async () => {
  const catchAll = await patch(`${LEVELS}/catch-all`, {
    spec: { limited: { nominalConcurrencyShares: 500 } },
  });
  expect([catchAll.status, catchAll.body]).toEqual([
    422,
    expect.stringContaining("spec of 'catch-all' must equal the fixed value"),
  ]);
  const exempt = await patch(`${LEVELS}/exempt`, {
    spec: { type: "Limited", exempt: null, limited: {} },
  });
  expect(exempt.status).toBe(422);
});
