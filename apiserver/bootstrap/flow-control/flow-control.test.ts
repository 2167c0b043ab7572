import type { KubeObject } from "@raft2kube/api/kind.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";

const FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";

const AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec";

const server = fileApiserver();
const send = server.ask;

/** Gives a schema another precedence, and says whether the server may mend that. */
async function change(name: string, precedence: number, autoupdate: string): Promise<void> {
  const body = {
    metadata: { annotations: { [AUTOUPDATE]: autoupdate } },
    spec: { matchingPrecedence: precedence },
  };
  const headers = { "content-type": "application/merge-patch+json" };
  const answer = await send(`${FLOWS}/${name}`, { method: "PATCH", headers, body });
  expect(answer.status, answer.body).toBe(200);
}

const precedenceOf = async (name: string) =>
  (JSON.parse((await send(`${FLOWS}/${name}`)).body) as { spec: { matchingPrecedence: number } })
    .spec.matchingPrecedence;

const annotationOf = async (name: string) => {
  const { body } = await send(`${FLOWS}/${name}`);
  return (JSON.parse(body) as KubeObject).metadata.annotations?.[AUTOUPDATE];
};

it("flow schemas get their specs back at a start, but for those that a user keeps", async () => {
  await change("service-accounts", 9001, "true");
  await change("global-default", 9901, "false");
  await send(`${FLOWS}/probes`, { method: "DELETE" });
  await server.api.restart();
  expect(await precedenceOf("service-accounts")).toBe(9000);
  expect(await precedenceOf("global-default")).toBe(9901);
  expect(await precedenceOf("probes")).toBe(2);
});

it("the annotation, or an unchanged generation, marks objects the server updates", async () => {
  const strip = async (name: string, spec: object) => {
    const body = { metadata: { annotations: { [AUTOUPDATE]: null } }, ...spec };
    const headers = { "content-type": "application/merge-patch+json" };
    const answer = await send(`${FLOWS}/${name}`, { method: "PATCH", headers, body });
    expect(answer.status, answer.body).toBe(200);
  };
  // One changed by a user, which the server keeps; one unchanged; and a mandatory one.
  await strip("kube-scheduler", { spec: { matchingPrecedence: 801 } });
  await strip("system-nodes", {});
  await strip("catch-all", {});
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
