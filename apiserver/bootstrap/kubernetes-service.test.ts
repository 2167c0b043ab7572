import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const server = fileApiserver({ advertiseAddress: "127.0.0.1" });

it("a server that advertises a loopback address starts; its Service leads nowhere", async () => {
  const service = await server.ask("/api/v1/namespaces/default/services/kubernetes");
  expect(service.status).toBe(200);
  const endpoints = await server.ask("/api/v1/namespaces/default/endpoints/kubernetes");
  expect(endpoints.status).toBe(404);
});
