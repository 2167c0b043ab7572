import { expect, it } from "vitest";
import { fileApiserver } from "../testing/file-apiserver.ts";

const FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";

const server = fileApiserver();
const send = server.ask;

/** Gives a schema another precedence, and says whether the server may mend that. */
async function change(name: string, precedence: number, autoupdate: string): Promise<void> {
  const body = {
    metadata: { annotations: { "apf.kubernetes.io/autoupdate-spec": autoupdate } },
    spec: { matchingPrecedence: precedence },
  };
  const headers = { "content-type": "application/merge-patch+json" };
  const answer = await send(`${FLOWS}/${name}`, { method: "PATCH", headers, body });
  expect(answer.status, answer.body).toBe(200);
}

const precedenceOf = async (name: string) =>
  (JSON.parse((await send(`${FLOWS}/${name}`)).body) as { spec: { matchingPrecedence: number } })
    .spec.matchingPrecedence;

it("flow schemas get their specs back at a start, but for those that a user keeps", async () => {
  await change("service-accounts", 9001, "true");
  await change("global-default", 9901, "false");
  await send(`${FLOWS}/probes`, { method: "DELETE" });
  await server.api.restart();
  expect(await precedenceOf("service-accounts")).toBe(9000);
  expect(await precedenceOf("global-default")).toBe(9901);
  expect(await precedenceOf("probes")).toBe(2);
});
