import type { Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { accountKeyOf, completed, isFor, TOKEN_TYPE, withoutReference } from "./plan.ts";

const account: ServiceAccount = { metadata: { namespace: "ns", name: "robot", uid: "u1" } };
const base64 = (text: string) => Buffer.from(text).toString("base64");
const WHOLE = { "ca.crt": base64("CA"), namespace: base64("ns"), token: base64("signed") };

function secretOf(changes: Partial<Secret> = {}, annotations: Record<string, string> = {}): Secret {
  const named = { "kubernetes.io/service-account.name": "robot", ...annotations };
  return {
    metadata: { namespace: "ns", name: "robot-token", annotations: named },
    type: TOKEN_TYPE,
    ...changes,
  };
}

describe("the account of a Secret", () => {
  test.each([
    ["named by its annotation", secretOf(), "ns/robot"],
    ["none for another type", secretOf({ type: "Opaque" }), undefined],
    [
      "none for an empty name",
      secretOf({}, { "kubernetes.io/service-account.name": "" }),
      undefined,
    ],
  ])("%s", (_what, secret, key) => expect(accountKeyOf(secret)).toBe(key));

  test("is not an earlier one of the same name", () => {
    expect(isFor(secretOf(), account)).toBe(true);
    expect(isFor(secretOf({}, { "kubernetes.io/service-account.uid": "u1" }), account)).toBe(true);
    expect(isFor(secretOf({}, { "kubernetes.io/service-account.uid": "u0" }), account)).toBe(false);
  });
});

describe("a Secret is completed", () => {
  const claims: Record<string, unknown>[] = [];
  const complete = (secret: Secret) =>
    completed(secret, account, "CA", async (signed) => {
      claims.push(signed);
      return "signed";
    });

  test("with token, certificates, namespace and the account's UID", async () => {
    const secret = await complete(secretOf());
    expect(secret?.data).toEqual(WHOLE);
    expect(secret?.metadata.annotations).toEqual({
      "kubernetes.io/service-account.name": "robot",
      "kubernetes.io/service-account.uid": "u1",
    });
    expect(claims).toEqual([
      {
        iss: "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "ns",
        "kubernetes.io/serviceaccount/secret.name": "robot-token",
        "kubernetes.io/serviceaccount/service-account.name": "robot",
        "kubernetes.io/serviceaccount/service-account.uid": "u1",
        sub: "system:serviceaccount:ns:robot",
      },
    ]);
  });

  test("not at all when it lacks nothing", async () => {
    expect(await complete(secretOf({ data: WHOLE }))).toBeUndefined();
  });

  test("with other certificates; its token and what its user added stay", async () => {
    const data = { ...WHOLE, "ca.crt": base64("old"), token: base64("own"), note: base64("x") };
    const secret = await complete(secretOf({ data }));
    expect(secret?.data).toEqual({ ...data, "ca.crt": base64("CA") });
  });
});

test("an account without its reference to a Secret", () => {
  const listing = { ...account, secrets: [{ name: "a" }, { name: "b" }] };
  expect(withoutReference(listing, "a")?.secrets).toEqual([{ name: "b" }]);
  expect(withoutReference(listing, "c")).toBeUndefined();
  expect(withoutReference(account, "a")).toBeUndefined();
});
