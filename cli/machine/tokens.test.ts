import { readToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import { expect, test } from "vitest";
import { tokenSecret } from "./tokens.ts";

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
