import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";

const server = fileApiserver();
const POD = "/api/v1/namespaces/default/pods/p";

it("leads to no pod that has ended: its address may be another's by then", async () => {
  const post = (path: string, body: object) => server.ask(path, { method: "POST", body });
  await post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const spec = { containers: [{ name: "c", image: "i" }] };
  await post("/api/v1/namespaces/default/pods", { metadata: { name: "p" }, spec });
  const answerOf = async (phase: string) => {
    // An address of documentation (RFC 5737): nothing is asked there before the phase is.
    const body = { status: { phase, podIP: "192.0.2.1", podIPs: [{ ip: "192.0.2.1" }] } };
    const headers = { "content-type": "application/merge-patch+json" };
    const written = await server.ask(`${POD}/status`, { method: "PATCH", body, headers });
    expect(written.status, written.body).toBe(200);
    return await server.ask(`${POD}:1/proxy/`);
  };
  for (const phase of ["Succeeded", "Failed"]) {
    const { status, body } = await answerOf(phase);
    expect([status, body]).toEqual([400, expect.stringContaining("pod p has ended")]);
  }
});
