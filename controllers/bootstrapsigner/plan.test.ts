import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { detachedSignature, nextEnd_ms, signedData, signingToken } from "./plan.ts";

const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const END = "2026-01-02T00:00:00Z";

function token(fields: Record<string, string> = {}, name = "bootstrap-token-abcdef"): Secret {
  const all = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-signing": "true",
    ...fields,
  };
  const data = Object.entries(all).map(
    ([key, text]) => [key, Buffer.from(text).toString("base64")] as const,
  );
  return {
    metadata: { namespace: "kube-system", name },
    type: "bootstrap.kubernetes.io/token",
    data: Object.fromEntries(data),
  };
}

// Facts of cluster-bootstrap's own tests.
test.each([
  [
    "Hello from the other side. I must have called a thousand times.",
    "my voice is my passcode",
    "VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8",
  ],
  ["", "my voice is my passcode", "7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk"],
  [
    "Hello from the other side. I must have called a thousand times.",
    "",
    "UfkqvDGiIFxrMnFseDj9LYJOLNrvjW8aHhF71mvvAs8",
  ],
])("the signature of %j is kubeadm's", (content, secret, wanted) => {
  expect(detachedSignature(content, { id: "joshua", secret })).toBe(
    `eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..${wanted}`,
  );
});

test.each([
  ["a token", token(), true],
  ["one with an end ahead", token({ expiration: END }), true],
  ["one that has expired", token({ expiration: "2025-12-31T23:59:59Z" }), false],
  ["one whose end cannot be read", token({ expiration: "soon" }), false],
  ["one that is not for signing", token({ "usage-bootstrap-signing": "false" }), false],
  ["one without a secret", token({ "token-secret": "" }), false],
  ["one of another id than its name", token({ "token-id": "fedcba" }), false],
  ["one whose name is no token's", token({ "token-id": "abc" }, "bootstrap-token-abc"), false],
])("%s signs: %s", (_name, secret, signs) => {
  expect(signingToken(secret, NOW_MS) !== undefined).toBe(signs);
});

test("signatures come and go with tokens, other data stays, and nothing is written twice", () => {
  const map = { metadata: {}, data: { kubeconfig: "k", other: "o", "jws-kubeconfig-fedcba": "x" } };
  const data = signedData(map, [token()], NOW_MS);
  expect(Object.keys(data ?? {}).sort()).toEqual(["jws-kubeconfig-abcdef", "kubeconfig", "other"]);
  expect(signedData({ metadata: {}, data: data! }, [token()], NOW_MS)).toBeUndefined();
  expect(
    signedData({ metadata: {}, data: { ...data, kubeconfig: "K" } }, [token()], NOW_MS),
  ).not.toEqual(data);
  expect(signedData({ metadata: {}, data: { other: "o" } }, [token()], NOW_MS)).toBeUndefined();
});

test("the next look is at the first end of a token that signs", () => {
  const ended = token({ expiration: "2025-01-01T00:00:00Z" });
  expect(nextEnd_ms([token(), ended], NOW_MS)).toBeUndefined();
  expect(nextEnd_ms([token({ expiration: END }), token(), ended], NOW_MS)).toBe(Date.parse(END));
});
