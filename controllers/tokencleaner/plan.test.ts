import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { expiresAt_ms } from "./plan.ts";

const END = "2026-01-01T00:00:00Z";

function secret(expiration: string, change: Partial<Secret> = {}): Secret {
  return {
    metadata: { namespace: "kube-system", name: "bootstrap-token-abcdef" },
    type: "bootstrap.kubernetes.io/token",
    data: { expiration: Buffer.from(expiration).toString("base64") },
    ...change,
  };
}

test.each([
  ["a token", secret(END), Date.parse(END)],
  ["one without an end", secret(""), undefined],
  ["one whose end cannot be read", secret("soon"), 0],
  ["another Secret", secret(END, { type: "Opaque" }), undefined],
  ["one of another namespace", secret(END, { metadata: { namespace: "default" } }), undefined],
])("%s expires at its end", (_name, of, wanted) => {
  expect(expiresAt_ms(of)).toBe(wanted);
});
