import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { readToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { createToken, deleteToken, listTokens, tokenSecret } from "./tokens.ts";

const token = "abcdef.0123456789abcdef";

test("a token joins machines for a day, unless its settings say something else", () => {
  expect(tokenSecret({ token }, 0).stringData).toEqual({
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    expiration: "1970-01-02T00:00:00.000Z",
    "usage-bootstrap-authentication": "true",
    "usage-bootstrap-signing": "true",
    "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
  });
  const given = {
    expires: "2030-01-01T00:00:00Z",
    usages: ["signing"],
    groups: ["system:bootstrappers:a"],
    description: "for one",
  };
  expect(tokenSecret({ token, ...given }, 0).stringData).toEqual({
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    description: "for one",
    expiration: "2030-01-01T00:00:00.000Z",
    "usage-bootstrap-signing": "true",
    "auth-extra-groups": "system:bootstrappers:a",
  });
  expect(tokenSecret({ token, ttl: "0" }, 0).stringData).not.toHaveProperty("expiration");
});

test("a token is read with each use that its Secret names", () => {
  const fields = { "usage-bootstrap-signing": "true", "usage-bootstrap-authentication": "false" };
  const texts = { "token-id": "abcdef", ...fields, "usage-bootstrap-other": "true" };
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString("base64")]),
  );
  expect(readToken({ data })).toMatchObject({ id: "abcdef", usages: ["other", "signing"] });
});

/** A client of a server that has Secrets, one of them no token's. */
async function clientOfSecrets() {
  const other: Secret = { metadata: { name: "other" }, type: "Opaque" };
  const secrets = new Map([["other", other]]);
  const server = createServer(async (request, response) => {
    if (request.method === "DELETE") secrets.delete(request.url!.split("/").at(-1)!);
    if (request.method === "POST") {
      const made = (await json(request)) as Secret;
      const data = Object.entries(made.stringData ?? {}).map(([name, text]) => {
        return [name, Buffer.from(text).toString("base64")] as const;
      });
      secrets.set(made.metadata.name!, { ...made, data: Object.fromEntries(data) });
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ metadata: {}, items: [...secrets.values()] }));
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  const clock = new ManualClock();
  return new KubeClient({ server: `http://127.0.0.1:${port}`, clock, userAgent: "test" });
}

test("tokens are listed, and deleted by themselves or their ids", async () => {
  using client = await clientOfSecrets();
  const never = "bcdefg.0123456789abcdef";
  await createToken(client, { token, description: "one" });
  await createToken(client, { token: never, ttl: "0", usages: ["signing"] });
  const groups = "system:bootstrappers:kubeadm:default-node-token";
  const expires = "1970-01-02T00:00:00.000Z";
  expect(await listTokens(client)).toEqual([
    { token, expires, usages: "authentication,signing", description: "one", groups },
    { token: never, expires: "<never>", usages: "signing", description: "", groups },
  ]);
  expect(await deleteToken(client, "abcdef")).toBe("abcdef");
  expect(await deleteToken(client, never)).toBe("bcdefg");
  expect(await listTokens(client)).toEqual([]);
  await expect(deleteToken(client, "ABC")).rejects.toMatchObject({ code: "TOKEN" });
});
