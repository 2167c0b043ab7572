import { describe, expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import { messageOfField } from "../../errors.ts";
import type { CertificateSigningRequest } from "../../gen/certificates/v1.ts";
import { certificateSigningRequest as kind } from "./certificate-signing-request.ts";

const CONTEXT = {
  now_ms: Date.parse("2026-01-01T00:00:00Z"),
  user: { name: "jane", groups: ["dev"], extra: { scope: ["a"] } },
};
const PEM = Buffer.from(
  "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n" + "-----END CERTIFICATE REQUEST-----\n",
).toString("base64");

function made(spec: object = {}): CertificateSigningRequest {
  const { object } = decodeJson<CertificateSigningRequest>(kind.schema, {
    metadata: { name: "jane", resourceVersion: "1" },
    spec: {
      request: PEM,
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["client auth"],
      username: "forged",
      ...spec,
    },
  });
  kind.strategy.prepareCreate(object, CONTEXT);
  return object;
}

const approval = kind.subresources.approval!.strategy!;

function approved(condition: object): CertificateSigningRequest {
  const object = structuredClone(made());
  object.status = { conditions: [{ type: "Approved", status: "True", ...condition }] };
  approval.prepareUpdate(object, made(), CONTEXT);
  return object;
}

describe("CertificateSigningRequest", () => {
  it("has the requester's identity, regardless of the body", () => {
    expect(made().spec).toMatchObject({
      username: "jane",
      groups: ["dev"],
      extra: { scope: ["a"] },
    });
    expect(kind.strategy.validateCreate(made(), CONTEXT)).toEqual([]);
  });

  it.each([
    [{ request: "AAAA" }, "PEM block type must be CERTIFICATE REQUEST"],
    [{ usages: [] }, "spec.usages: Required value"],
    [{ signerName: "x" }, "must be a fully qualified domain and path"],
    [{ expirationSeconds: 5 }, "may not specify a duration less than 600 seconds"],
  ])("with %j is refused", (spec, message) => {
    const errors = kind.strategy.validateCreate(made(spec), CONTEXT).map(messageOfField);
    expect(errors.join()).toContain(message);
  });

  it("is approved only through its own subresource", () => {
    const object = approved({ reason: "ok" });
    expect(object.status?.conditions).toEqual([
      {
        type: "Approved",
        status: "True",
        reason: "ok",
        lastUpdateTime: "2026-01-01T00:00:00Z",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ]);
    expect(approval.validateUpdate(object, made(), CONTEXT)).toEqual([]);
    const status = kind.subresources.status!.strategy!;
    expect(status.validateUpdate(object, made(), CONTEXT).map(messageOfField).join()).toContain(
      'updates may not add a condition of type "Approved"',
    );
  });

  it("cannot be approved and denied", () => {
    const object = approved({});
    object.status!.conditions!.push({ type: "Denied", status: "True" });
    expect(approval.validateUpdate(object, made(), CONTEXT).map(messageOfField).join()).toContain(
      "mutually exclusive",
    );
  });

  it("shows its state", () => {
    const cell = kind.columns.find((each) => each.name === "Condition")!;
    expect(cell.value(made(), 0)).toBe("Pending");
    const signed = approved({});
    signed.status!.certificate = "AAAA";
    expect(cell.value(signed, 0)).toBe("Approved,Issued");
  });
});
